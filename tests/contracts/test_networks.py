"""Do all network drivers keep the promises of `networks/driver.py`? Each in a network namespace of its own.

The suite is one; a driver that is added joins the table. What the kernel has is asked of the kernel.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from kernel.namespaced import namespaced
from sampan.errors import Conflict, Forbidden, InvalidRequest, SampanError
from sampan.linux import netlink, netns
from sampan.linux.netdevice import set_up
from sampan.linux.sched import CloneFlag
from sampan.networks import predefined
from sampan.networks.bridge import Bridge
from sampan.networks.create import Settings
from sampan.networks.driver import Driver
from sampan.networks.firewall import Firewall
from sampan.networks.macvlan import Macvlan
from sampan.networks.model import Endpoint, Network, Pool, Sandbox, Wishes
from sampan.networks.ports import Ports
from sampan.networks.proxy import Proxies

pytestmark = pytest.mark.needs_root

DRIVERS: dict[str, Callable[[], Driver]] = {
    "bridge": lambda: Bridge(Settings(), Firewall(), Proxies(Ports())),
    "macvlan": Macvlan,
    "null": predefined.none,
    "host": predefined.host,
}
WITH_ADDRESSES = ["bridge", "macvlan"]
ID = "ab" * 32


def network(driver: str, **fields: object) -> Network:
    """A network as `create.py` would plan it."""
    pool = Pool(subnet="10.44.0.0/24", gateway="10.44.0.1")
    made = Network(id=ID, name="n", driver=driver, ipv4=True, pools=(pool,))
    return replace(made, **fields)  # type: ignore[arg-type]


def endpoint(number: int = 2) -> Endpoint:
    """An endpoint as `joins.py` would grant it."""
    return Endpoint(
        id=f"{number:02x}" * 32, network_id=ID, container_id=f"c{number}", mac_address=f"02:42:0a:2c:00:{number:02x}",
        ipv4_address=f"10.44.0.{number}/24", interface="eth0",
    )  # fmt: skip


class Box:
    """A namespace that stands for a container."""

    def __init__(self, name: str) -> None:
        self.fd = netns.make(lambda: set_up("lo"))
        self.sandbox = Sandbox(container_id=name, name=name, namespace=f"/proc/{os.getpid()}/fd/{self.fd}")

    def interfaces(self) -> list[str]:
        """What it has."""
        return netns.inside(self.fd, interfaces)

    def addresses(self) -> list[str]:
        """The addresses of eth0."""

        def work() -> list[str]:
            with netlink.links() as links:
                return links.addresses("eth0")

        return netns.inside(self.fd, work)


def interfaces() -> list[str]:
    """The names of this namespace's interfaces."""
    return sorted(name for _, name in socket.if_nameindex())


def told(story: Callable[[Driver], object], name: str) -> None:
    """Run a story about a driver in a network namespace of its own."""

    def work() -> None:
        set_up("lo")

        async def whole() -> None:
            driver = DRIVERS[name]()
            await story(driver)  # type: ignore[misc]
            await driver.close()

        asyncio.run(whole())

    namespaced(work, CloneFlag.NEWNET)


@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_an_endpoint_comes_and_goes(name: str) -> None:
    async def story(driver: Driver) -> None:
        made = driver.settle(network(name))
        await driver.prepare(made)
        await driver.prepare(made)
        shared = interfaces()
        box = Box("c2")
        granted = driver.grant(made, endpoint())
        assert granted == driver.grant(made, endpoint()), "pure"
        assert granted.ipv4_gateway == "10.44.0.1"
        await driver.join(made, box.sandbox, granted)
        await driver.lead(made, box.sandbox, granted, True)
        assert box.interfaces() == ["eth0", "lo"]
        assert box.addresses() == ["10.44.0.2/24"]
        await driver.restore(made, granted, box.sandbox)
        assert box.addresses() == ["10.44.0.2/24"]
        await driver.lead(made, box.sandbox, granted, False)
        for _ in range(2):
            await driver.leave(made, granted, box.sandbox)
        assert box.interfaces() == ["lo"]
        assert interfaces() == shared
        for _ in range(2):
            await driver.discard(made)
        assert interfaces() == ["lo"]

    told(story, name)


@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_leave_undoes_what_a_crash_has_cut(name: str) -> None:
    async def story(driver: Driver) -> None:
        made = driver.settle(network(name))
        granted = driver.grant(made, endpoint())
        await driver.leave(made, granted)  # before anything was made at all
        await driver.prepare(made)
        shared = interfaces()
        await driver.leave(made, granted)  # recorded, and no more
        box = Box("c2")
        await driver.join(made, box.sandbox, granted)
        os.close(box.fd)  # the container is gone, with its namespace
        again = DRIVERS[name]()  # … and so was the engine
        await driver.close()
        await again.reconcile([(made, granted)], [made])
        await again.leave(made, granted)
        assert interfaces() == shared
        other = Box("c3")
        await again.join(made, other.sandbox, granted)  # its address is free
        assert other.addresses() == ["10.44.0.2/24"]
        await again.close()

    told(story, name)


@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_a_join_that_fails_says_why_and_leaves_nothing(name: str) -> None:
    async def story(driver: Driver) -> None:
        made = driver.settle(network(name))
        await driver.prepare(made)
        shared = interfaces()
        granted = driver.grant(made, endpoint())
        gone = Sandbox(container_id="c2", namespace="/proc/self/fd/1000000")
        with pytest.raises(SampanError):
            await driver.join(made, gone, granted)
        await driver.leave(made, granted)
        assert interfaces() == shared

    told(story, name)


@pytest.mark.parametrize("name", WITH_ADDRESSES)
def test_internal_networks_have_no_way_out(name: str) -> None:
    async def story(driver: Driver) -> None:
        made = driver.settle(network(name, internal=True))
        assert driver.grant(made, endpoint()).ipv4_gateway == ""

    told(story, name)


@pytest.mark.parametrize("name", list(DRIVERS))
def test_wishes_that_cannot_be_granted_are_refused_before(name: str) -> None:
    async def story(driver: Driver) -> None:
        assert driver.name == name
        chosen = network(name, chosen_pools=True, predefined=name != "macvlan")
        with pytest.raises(InvalidRequest, match="user specified IP address is supported"):
            driver.check(chosen, Wishes(ipv4_address="10.44.0.9"))
        driver.check(chosen, Wishes())

    told(story, name)


@pytest.mark.parametrize("name", ["null", "host"])
def test_what_is_there_once_is_not_made_again(name: str) -> None:
    async def story(driver: Driver) -> None:
        with pytest.raises((Forbidden, Conflict), match="only one instance of"):
            driver.settle(network(name))
        made = network(name)
        granted = driver.grant(made, endpoint())
        assert granted.id == driver.grant(made, endpoint()).id
        await driver.join(made, Sandbox(container_id="c2"), granted)
        await driver.leave(made, granted)
        assert interfaces() == ["lo"]

    told(story, name)
