"""Which elements, and which proxies, does each form of publishing take?"""

from sampan.networks import publish, ruleset
from sampan.networks.model import Endpoint, PublishedPort
from sampan.networks.options import BridgeOptions

NAT = BridgeOptions(bridge="br0")
V4, V6 = bytes((10, 0, 0, 2)), bytes.fromhex("fd00" + "0" * 27 + "2")


def endpoint(*ports: PublishedPort, ipv6: bool = False) -> Endpoint:
    return Endpoint(
        id="e" * 64, network_id="n", container_id="c", ipv4_address="10.0.0.2/24",
        ipv6_address="fd00::2/64" if ipv6 else "", ports=ports,
    )  # fmt: skip


def port(host_ip: str, **fields: object) -> PublishedPort:
    return PublishedPort(container_port=80, host_ip=host_ip, host_port=8080, **fields)  # type: ignore[arg-type]


def sets(made: Endpoint, options: BridgeOptions = NAT) -> list[str]:
    return [element[0] for element in publish.elements(made, options)]


def test_every_address_and_one_address() -> None:
    assert publish.elements(endpoint(port("0.0.0.0")), NAT)[0] == (
        "any4", ruleset.port_key(6, 8080), ruleset.place_data(V4, 80),
    )  # fmt: skip
    assert publish.elements(endpoint(port("127.0.0.1", protocol="udp")), NAT)[0] == (
        "at4", ruleset.place_key(17, bytes((127, 0, 0, 1)), 8080), ruleset.place_data(V4, 80),
    )  # fmt: skip
    assert sets(endpoint(port("0.0.0.0"), port("::"), ipv6=True)) == ["any4", "any6", "self4", "self6"]
    assert publish.elements(endpoint(port("::"), ipv6=True), NAT)[0][2] == ruleset.place_data(V6, 80)
    assert sets(endpoint()) == []


def test_keys_are_whole_words() -> None:
    for key in (ruleset.port_key(6, 80), ruleset.place_key(6, V4, 80), ruleset.place_key(6, V6, 80)):
        assert len(key) % 4 == 0


def test_routed_networks_open_the_containers_own_port() -> None:
    routed = BridgeOptions(bridge="br0", gateway_mode4="routed")
    assert publish.elements(endpoint(port("0.0.0.0")), routed)[0] == ("reachable4", ruleset.place_key(6, V4, 80), b"")


def test_what_cannot_be_translated_is_served() -> None:
    assert publish.proxied(endpoint(port("0.0.0.0"), port("127.0.0.1"))) == []
    assert publish.proxied(endpoint(port("::"))) == [(port("::"), "10.0.0.2")]
    assert publish.proxied(endpoint(port("::1"), ipv6=True)) == [(port("::1"), "fd00::2")]
    obeying = port("0.0.0.0", obey_firewall=True)
    assert publish.proxied(endpoint(obeying)) == [(obeying, "10.0.0.2")]
    assert "any4" not in sets(endpoint(obeying))


def test_loopback_is_routed_only_for_who_needs_it() -> None:
    assert publish.needs_loopback([port("0.0.0.0")])
    assert publish.needs_loopback([port("127.0.0.1")])
    assert not publish.needs_loopback([port("192.0.2.1"), port("::"), port("0.0.0.0", obey_firewall=True)])
