"""Do the networks that need no driver behave as those that will?"""

import asyncio

import pytest

from sampan.errors import InvalidRequest, NotFound
from sampan.networks import mode
from sampan.networks.mode import Mode
from sampan.networks.model import Sandbox, Stack, Wishes
from sampan.networks.store import Networks


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("none", "bridge", Mode(network="none")),
        ("host", "bridge", Mode(network="host")),
        ("container:x", "bridge", Mode(container="x")),
        ("mine", "bridge", Mode(network="mine")),
        ("default", "none", Mode(network="none")),
        ("", "none", Mode(network="none")),
        ("bridge", "none", Mode(network="none")),
        ("", "bridge", Mode(network="bridge")),
        ("bridge", "bridge", Mode(network="bridge")),
    ],
)
def test_modes(text: str, default: str, expected: Mode) -> None:
    assert mode.parse(text, default) == expected


@pytest.mark.parametrize("text", ["container", "container:"])
def test_a_container_must_be_named(text: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid container format"):
        mode.parse(text)


def test_private_is_a_stack_of_ones_own() -> None:
    assert [each.is_private for each in (Mode("none"), Mode("host"), Mode(container="x"))] == [True, False, False]


def test_predefined_networks_have_ids_that_last_and_differ_between_engines() -> None:
    ids = [network.id for network in Networks("one").all()]
    assert ids == [network.id for network in Networks("one").all()]
    assert set(ids).isdisjoint(network.id for network in Networks("two").all())
    assert [network.name for network in Networks("one").all()] == ["host", "none"]


def test_finding() -> None:
    networks = Networks("one")
    none = networks.find("none")
    assert networks.find(none.id) == networks.find(none.id[:12]) == none
    assert networks.driver(none).stack is Stack.NEW
    for reference in ("", "nope"):
        with pytest.raises(NotFound):
            networks.find(reference)


def test_what_cannot_be_granted_is_refused_at_create() -> None:
    networks = Networks("one")
    with pytest.raises(InvalidRequest, match="user defined networks only"):
        networks.check("none", Wishes(ipv4_address="10.0.0.1"))
    with pytest.raises(InvalidRequest, match="network-scoped alias"):
        networks.check("host", Wishes(aliases=("a",)))
    with pytest.raises(NotFound, match=r"^network mine not found$"):
        networks.check("mine", Wishes())


def test_joining_and_leaving() -> None:
    async def story() -> None:
        networks = Networks("one")
        sandbox = Sandbox(container_id="c")
        endpoint = await networks.join("none", sandbox, Wishes())
        assert networks.endpoints("c") == {"none": endpoint}
        assert await Networks("one").join("none", sandbox, Wishes()) == endpoint
        await networks.leave_all("c")
        await networks.leave_all("c")
        assert networks.endpoints("c") == {}

    asyncio.run(story())
