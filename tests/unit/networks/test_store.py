"""Do networks, endpoints and ports come and go as their rows say, whatever a driver does in the kernel?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from sampan.db import open_database
from sampan.errors import Conflict, Forbidden, InvalidRequest, NotFound
from sampan.networks.model import Endpoint, Network, NetworkCreate, Pool, PublishedPort, Sandbox, Stack, Wishes
from sampan.networks.rows import SCHEMA, Rows
from sampan.networks.store import Networks
from sampan.wire.filters import parse


class Recorder:
    """A driver that keeps a list of what it was told to do."""

    name = "bridge"
    stack = Stack.NEW
    has_addresses = True
    publishes = True

    def __init__(self) -> None:
        self.done: list[str] = []
        self.breaks = ""
        self.is_gone = False

    def settle(self, network: Network) -> Network:
        return network

    def check(self, network: Network, wishes: Wishes) -> None:
        pass

    async def prepare(self, network: Network) -> None:
        self._do("prepare", network)

    async def discard(self, network: Network) -> None:
        self._do("discard", network)

    def grant(self, network: Network, endpoint: Endpoint) -> Endpoint:
        return endpoint

    async def join(self, network: Network, sandbox: Sandbox, endpoint: Endpoint) -> None:
        self._do("join", network)

    async def lead(self, network: Network, sandbox: Sandbox, endpoint: Endpoint, outside: bool) -> None:
        self._do("lead" if outside else "follow", network)

    async def leave(
        self, network: Network, endpoint: Endpoint, sandbox: Sandbox | None = None, *, gone: bool = False
    ) -> None:
        self._do("leave", network)

    async def reconcile(self, found: Sequence[tuple[Network, Endpoint]], networks: Sequence[Network]) -> None:
        pass

    async def close(self) -> None:
        pass

    async def restore(self, network: Network, endpoint: Endpoint, sandbox: Sandbox) -> bool:
        self._do("restore", network)
        return self.is_gone

    def _do(self, what: str, network: Network) -> None:
        self.done.append(f"{what} {network.name}")
        if self.breaks == what:
            raise OSError(what)


def networks(path: Path, driver: Recorder | None = None) -> Networks:
    database = open_database(path / "db", [SCHEMA])
    return Networks("one", rows=Rows(database), drivers=[driver or Recorder()], routed=lambda besides: [])


def box(name: str) -> Sandbox:
    return Sandbox(container_id=name, name=name)


def test_networks_and_endpoints_outlast_the_daemon(tmp_path: Path) -> None:
    async def story() -> None:
        driver = Recorder()
        first = networks(tmp_path, driver)
        made, _ = await first.create(NetworkCreate(name="n", labels={"a": "b"}, pools=(Pool(subnet="10.0.0.0/24"),)))
        granted = await first.join("n", box("c"), Wishes(aliases=("x",)))
        assert (granted.ipv4_address, granted.interface) == ("10.0.0.2/24", "eth0")
        second = networks(tmp_path, driver)
        assert second.find(made.id[:10]) == made
        assert second.endpoints("c") == {"n": granted}
        assert (await second.join("n", box("d"), Wishes())).ipv4_address == "10.0.0.3/24"
        await second.restore(box("c"), ["n"])
        assert driver.done[-1] == "restore n", "its routes are its own"
        driver.is_gone = True
        await second.restore(box("c"), ["n"])
        assert driver.done[-2:] == ["restore n", "lead n"]
        with pytest.raises(Forbidden, match=f"^error while removing network: network n id {made.id} has active endp"):
            await second.remove("n")
        await second.leave_all("c")
        await second.leave_all("c")
        await second.leave("d", "n")
        await second.remove("n")
        third = networks(tmp_path)
        assert third.all_endpoints() == []
        assert [network.name for network in third.all()] == ["bridge", "host", "none"]

    asyncio.run(story())


def test_the_default_bridge_is_dockers_or_moves_aside(tmp_path: Path) -> None:
    first = networks(tmp_path)
    assert first.find("bridge").pools[0].subnet == "172.17.0.0/16"
    from sampan.networks import ipam

    rows = Rows(open_database(tmp_path / "db", [SCHEMA]))
    routed = [ipam.parse_subnet("172.17.4.0/24"), ipam.parse_subnet("172.18.0.0/16")]
    moved = Networks("one", rows=rows, drivers=[Recorder()], routed=lambda besides: routed)
    assert moved.find("bridge").pools[0].subnet == "172.19.0.0/16"
    assert moved.find("bridge").id == first.find("bridge").id


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        driver = Recorder()
        store = networks(tmp_path, driver)
        driver.breaks = "prepare"
        with pytest.raises(OSError, match="prepare"):
            await store.create(NetworkCreate(name="n"))
        assert driver.done[-1] == "discard n"
        driver.breaks = "join"
        await store.create(NetworkCreate(name="n"))
        with pytest.raises(OSError, match="join"):
            await store.join("n", box("c"), Wishes())
        assert driver.done[-1] == "leave n"
        assert store.endpoints("c") == {}
        assert Rows(open_database(tmp_path / "db", [SCHEMA])).endpoints() == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wanted", "kind", "sentence"),
    [
        (NetworkCreate(name="n"), Conflict, "network with name n already exists"),
        (NetworkCreate(name="bridge"), Forbidden, "operation is not permitted on predefined bridge network "),
        (NetworkCreate(name="m", driver="zzz"), NotFound, 'plugin "zzz" not found'),
        (NetworkCreate(name="m", ipam_driver="zzz"), NotFound, 'plugin "zzz" not found'),
        (NetworkCreate(name="m", driver="host"), Forbidden, 'only one instance of "host" network is allowed'),
        (NetworkCreate(name=""), InvalidRequest, "invalid name: "),
        (NetworkCreate(name="a\nb"), InvalidRequest, r"invalid name: 'a\nb'"),
        (NetworkCreate(name="m", pools=(Pool(subnet="172.17.1.0/24"),)), Forbidden,
         "Pool overlaps with other one on this address space"),
    ],
)  # fmt: skip
def test_bad_networks_are_refused(tmp_path: Path, wanted: NetworkCreate, kind: type[Exception], sentence: str) -> None:
    async def story() -> None:
        store = networks(tmp_path)
        await store.create(NetworkCreate(name="n"))
        with pytest.raises(kind) as caught:
            await store.create(wanted)
        assert str(caught.value) == sentence
        assert len(store.all()) == 4

    asyncio.run(story())


def test_one_network_leads_and_takes_the_ports_along(tmp_path: Path) -> None:
    async def story() -> None:
        driver = Recorder()
        store = networks(tmp_path, driver)
        for name in ("b", "a", "z"):
            await store.create(NetworkCreate(name=name, internal=name == "z"))
        sandbox = box("c")
        await store.join("z", sandbox, Wishes())
        await store.join("b", sandbox, Wishes())
        await store.lead(sandbox, [PublishedPort(container_port=80, host_ip="127.0.0.1")])
        published = store.endpoints("c")["b"].ports
        assert published[0].host_port
        await store.join("a", sandbox, Wishes())
        await store.lead(sandbox)
        assert driver.done[-2:] == ["follow b", "lead a"]
        assert store.endpoints("c")["a"].ports == published
        assert store.endpoints("c")["b"].ports == ()
        await store.leave("c", "a", sandbox)
        assert driver.done[-3:] == ["follow a", "lead b", "leave a"]
        assert store.endpoints("c")["b"].ports == published
        more = [PublishedPort(container_port=81, host_ip="127.0.0.1")]
        await store.republish(sandbox, [PublishedPort(container_port=80, host_ip="127.0.0.1"), *more])
        assert store.endpoints("c")["b"].ports[0] == published[0]
        assert [port.container_port for port in store.endpoints("c")["b"].ports] == [80, 81]

    asyncio.run(story())


def test_prune_takes_what_is_idle_and_meant(tmp_path: Path) -> None:
    async def story() -> None:
        store = networks(tmp_path)
        for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
            await store.create(NetworkCreate(name=name, labels={"l": label}))
        await store.join("a", box("c"), Wishes())
        assert await store.prune(parse('{"label":["l=x"]}')) == ["b"]
        assert await store.prune(parse("{}")) == ["c"]
        assert [network.name for network in store.all()] == ["a", "bridge", "host", "none"]

    asyncio.run(story())
