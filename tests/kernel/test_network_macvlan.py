"""Do containers with macvlan appear on the host's wire as machines of their own?"""

import pytest

from expect import IMAGE
from kernel.neighbourhood import NEIGHBOUR, Neighbourhood

pytestmark = pytest.mark.needs_root


@pytest.fixture(autouse=True)
def _clean(networked: Neighbourhood) -> object:
    yield
    networked.clear()


def create(networked: Neighbourhood, name: str, *flags: str) -> None:
    """A macvlan network on the wire to the neighbour, a range of whose addresses it has."""
    networked.docker("network", "create", "-d", "macvlan", "--subnet", "198.51.100.0/24", "--gateway", NEIGHBOUR,
                     "--ip-range", "198.51.100.128/25", "-o", "parent=wan0", *flags, name)  # fmt: skip


@pytest.mark.parametrize(("mode", "together"), [("bridge", True), ("private", False), ("vepa", False)])
def test_on_the_wire(networked: Neighbourhood, mode: str, together: bool) -> None:
    create(networked, "wire", "-o", f"macvlan_mode={mode}")
    one = networked.serve("one", "--network", "wire")
    networked.docker("run", "-d", "--name", "two", "--network", "wire", IMAGE, "sleep", "1000")
    assert one == "198.51.100.128"
    assert networked.ask(networked.neighbour, one, 80).endswith(NEIGHBOUR)
    assert "1 packets received" in networked.docker("exec", "two", "ping", "-c1", "-W2", NEIGHBOUR)
    assert bool(networked.ask_inside("two", one, 80)) is together
    assert f"default via {NEIGHBOUR}" in networked.docker("exec", "two", "ip", "r")


def test_one_has_it_to_itself(networked: Neighbourhood) -> None:
    create(networked, "through", "-o", "macvlan_mode=passthru")
    networked.docker("run", "-d", "--name", "one", "--network", "through", IMAGE, "sleep", "1000")
    assert networked.mac("wan0") in networked.docker("exec", "one", "ip", "link", "show", "dev", "eth0")
    networked.docker("run", "--rm", "--network", "through", IMAGE, "true", code=125)


def test_without_a_parent_only_containers_meet(networked: Neighbourhood) -> None:
    networked.docker("network", "create", "-d", "macvlan", "nowhere")
    address = networked.serve("one", "--network", "nowhere")
    networked.docker("run", "-d", "--name", "two", "--network", "nowhere", IMAGE, "sleep", "1000")
    assert networked.ask_inside("two", address, 80)
    networked.docker("network", "disconnect", "nowhere", "two")
    assert "eth0" not in networked.docker("exec", "two", "ip", "link")
    networked.docker("network", "connect", "nowhere", "two")
    assert networked.ask_inside("two", address, 80)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "macvlan_mode=weird",
            "requested macvlan mode 'weird' is not valid, 'bridge' mode is the macvlan driver default",
        ),
        ("parent=nosuch0", "invalid subinterface vlan name nosuch0, example formatting is eth0.10"),
        ("parent=wan0.5000", "invalid subinterface vlan name wan0.5000"),
    ],
)
def test_what_cannot_be_is_refused(networked: Neighbourhood, option: str, sentence: str) -> None:
    assert sentence in networked.docker("network", "create", "-d", "macvlan", "-o", option, "bad", code=1)
