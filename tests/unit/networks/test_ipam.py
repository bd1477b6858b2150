"""Are subnets and addresses granted once, all of them, and never where they should not be?"""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from sampan.networks import ipam
from sampan.networks.model import Pool

subnets4 = st.builds(
    lambda number, length: ipaddress.ip_network((number, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(8, 30),
)
small_pools = st.sampled_from(["10.0.0.0/29", "10.0.0.0/28", "10.0.0.8/30", "fd00::/124", "fd00::10/125"])


@given(small_pools, st.lists(st.integers(0, 20), max_size=30))
def test_no_address_is_granted_twice_and_every_returned_one_again(subnet: str, leavers: list[int]) -> None:
    pool = ipam.settle(Pool(subnet=subnet), ())
    version = ipaddress.ip_network(subnet).version
    taken: list[str] = []
    room = 0
    for leaver in [*leavers, *[99] * 20]:
        if leaver < len(taken):
            taken.pop(leaver)
            continue
        try:
            granted = ipam.grant([pool], version, set(taken), "n")
        except Unavailable:
            room = max(room, len(taken))
            continue
        address, _, length = granted.partition("/")
        assert address not in taken
        assert address != pool.gateway
        assert ipaddress.ip_address(address) in ipaddress.ip_network(subnet)
        assert int(length) == ipaddress.ip_network(subnet).prefixlen
        taken.append(address)
    total = ipaddress.ip_network(subnet).num_addresses
    assert room == total - (3 if version == 4 else 2)  # network, broadcast (IPv4) and gateway are nobody's


@given(st.lists(subnets4, max_size=12))
def test_a_chosen_subnet_overlaps_nothing(used: list[ipam.Subnet]) -> None:
    try:
        chosen = ipam.choose_subnet(ipam.DEFAULT_BASES, used)
    except NotFound:
        for base in ipam.DEFAULT_BASES:
            for subnet in base.base.subnets(new_prefix=base.size):
                assert any(subnet.overlaps(other) for other in used)
        return
    assert not any(chosen.overlaps(other) for other in used)
    assert any(chosen.subnet_of(base.base) for base in ipam.DEFAULT_BASES)


def test_thousands_of_networks_fit_and_then_the_sentence_is_dockers() -> None:
    used: list[ipam.Subnet] = []
    for _ in range(300):
        used.append(ipam.choose_subnet(ipam.DEFAULT_BASES, used))
    assert len(set(used)) == 300
    assert str(used[0]) == "172.18.0.0/24"
    with pytest.raises(NotFound, match=r"^could not find an available, non-overlapping IPv4 address pool among the"):
        ipam.choose_subnet(ipam.bases(("10.0.0.0/24", 25)), ipam.bases(("10.0.0.0/8", 8))[0].base.subnets())


@pytest.mark.parametrize(
    ("pool", "kind", "sentence"),
    [
        (Pool(subnet="10.0.0.0"), InvalidRequest, "Invalid subnet 10.0.0.0 : invalid CIDR address: 10.0.0.0"),
        (Pool(subnet="10.9.0.0/16"), Forbidden, "Pool overlaps with other one on this address space"),
        (Pool(subnet="10.0.0.0/24", gateway="10.1.0.1"), InvalidRequest,
         "failed to allocate gateway (10.1.0.1): Requested address is out of range"),
        (Pool(subnet="10.0.0.0/24", auxiliary={"a": "10.1.0.1"}), Forbidden,
         "auxiliary address: (a:10.1.0.1) must belong to the master pool: 10.0.0.0/24"),
        (Pool(subnet="10.0.0.0/24", ip_range="10.1.0.0/25"), InvalidRequest,
         "invalid ip-range 10.1.0.0/25: it is not within the subnet 10.0.0.0/24"),
        (Pool(subnet="10.0.0.0/32"), InvalidRequest,
         "invalid subnet 10.0.0.0/32: it has no room for a gateway and a container"),
    ],
)  # fmt: skip
def test_bad_pools_are_refused(pool: Pool, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as caught:
        ipam.settle(pool, [ipaddress.ip_network("10.9.1.0/24")])
    assert str(caught.value) == sentence


def test_ranges_and_reserved_addresses_are_kept_to() -> None:
    pool = ipam.settle(Pool(subnet="10.0.0.7/24", ip_range="10.0.0.128/30", auxiliary={"r": "10.0.0.129"}), ())
    assert (pool.subnet, pool.gateway) == ("10.0.0.0/24", "10.0.0.1")
    assert ipam.grant([pool], 4, {"10.0.0.128"}, "n") == "10.0.0.130/24"
    assert ipam.grant_exact([pool], "10.0.0.9", ()) == "10.0.0.9/24"
    for address in ("10.0.0.129", "10.0.0.1", "10.0.0.255", "10.0.0.0"):
        with pytest.raises(Forbidden, match=r"^Address already in use$"):
            ipam.grant_exact([pool], address, ())
    with pytest.raises(InvalidRequest, match=r"^Invalid address 10.1.0.9: It does not belong to any of this network's"):
        ipam.grant_exact([pool], "10.1.0.9", ())


def test_hardware_addresses_follow_from_the_address() -> None:
    assert ipam.mac_of("172.17.0.2/16", "ab" * 32) == "02:42:ac:11:00:02"
    assert ipam.mac_of("", "ab" * 32) == "02:42:ab:ab:ab:ab"
