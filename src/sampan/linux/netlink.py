"""How are interfaces, addresses, routes and queues made?

rtnetlink(7), spoken by pyroute2, which is imported when first needed: it takes a fifth of a second and ten megabytes.
Calls wait for the kernel's answer and belong into a thread. A `Links` speaks to the network namespace of the thread
that opened it, see `netns.py`. Failures are OSErrors with the kernel's number. Names and addresses are texts.
"""

import errno
import ipaddress
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sampan.linux.netdevice import IFNAMSIZ

IFF_UP = 1
MACVLAN_MODES = ("private", "vepa", "bridge", "passthru")


def preload() -> None:
    """Import what the first call would wait for."""
    import pyroute2  # noqa: F401


class Links:
    """An open conversation about the interfaces of one network namespace."""

    def __init__(self, talk: Any) -> None:
        self._talk = talk

    def index(self, name: str) -> int:
        """The number of an interface, 0 when there is none of this name."""
        found: list[int] = self._do(lambda: self._talk.link_lookup(ifname=_checked(name)), name)
        return found[0] if found else 0

    def have(self, name: str) -> int:
        """The number of an interface. ENODEV when there is none of this name."""
        index = self.index(name)
        if not index:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name)
        return index

    def add_bridge(self, name: str, *, mac: str, mtu: int = 0) -> None:
        """A bridge that is down. EEXIST."""
        self._link("add", ifname=_checked(name), kind="bridge", address=mac, **({"mtu": mtu} if mtu else {}))

    def add_veth(self, name: str, peer: str, *, namespace: int, mac: str, master: str, mtu: int = 0) -> None:
        """A pair of interfaces: `name` here, in the bridge `master`, and up; `peer` in another namespace, and down."""
        size = {"mtu": mtu} if mtu else {}
        self._link(
            "add", ifname=_checked(name), kind="veth", state="up", master=self.have(master), **size,
            peer={"ifname": _checked(peer), "net_ns_fd": namespace, "address": mac, **size},
        )  # fmt: skip

    def add_macvlan(self, name: str, parent: str, *, mode: str, namespace: int, mac: str, mtu: int = 0) -> None:
        """A further interface on `parent`'s wire, made in another namespace. `mode`: one of MACVLAN_MODES."""
        size = {"mtu": mtu} if mtu else {}
        address = {} if mode == "passthru" else {"address": mac}
        self._link(
            "add", ifname=_checked(name), kind="macvlan", link=self.have(parent), macvlan_mode=mode,
            net_ns_fd=namespace, **address, **size,
        )  # fmt: skip

    def add_vlan(self, name: str, parent: str, tag: int) -> None:
        """A sub-interface for one VLAN of `parent`."""
        self._link("add", ifname=_checked(name), kind="vlan", link=self.have(parent), vlan_id=tag)

    def add_pair(self, name: str, peer: str) -> None:
        """A pair of interfaces, both here and up."""
        self._link("add", ifname=_checked(name), kind="veth", state="up", peer={"ifname": _checked(peer)})
        self.set_up(peer)

    def add_dummy(self, name: str) -> None:
        """An interface that leads nowhere."""
        self._link("add", ifname=_checked(name), kind="dummy")

    def add_ifb(self, name: str) -> None:
        """A queue for what comes in elsewhere (tc-mirred(8)), and up."""
        self._link("add", ifname=_checked(name), kind="ifb", state="up")

    def delete(self, name: str) -> bool:
        """Remove an interface, and its peer with it; False when there was none."""
        index = self.index(name)
        if index:
            try:
                self._link("del", index=index)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
        return bool(index)

    def set_up(self, name: str) -> None:
        """Bring an interface up."""
        self._link("set", index=self.have(name), state="up")

    def isolate_port(self, name: str) -> None:
        """Keep a bridge's port from talking to the bridge's other isolated ports (bridge(8), `isolated`)."""
        self._do(lambda: self._talk.brport("set", index=self.have(name), isolated=1), name)

    def reflect(self, name: str) -> None:
        """Let a bridge's port get back what came in there (bridge(8), `hairpin`)."""
        self._do(lambda: self._talk.brport("set", index=self.have(name), mode=1), name)

    def set_mac(self, name: str, mac: str) -> None:
        """Give an interface another hardware address."""
        self._link("set", index=self.have(name), address=mac)

    def add_address(self, name: str, address: str, *, scope: int = 0) -> None:
        """Give an interface an address (with prefix length); one that it has already is no failure."""
        parsed = ipaddress.ip_interface(address)
        last = parsed.network.broadcast_address if parsed.version == 4 and parsed.network.prefixlen < 31 else None
        extra: dict[str, Any] = {"broadcast": str(last)} if last else {}
        if parsed.version == 6:
            # It was granted to nobody else: no need to wait a second for a neighbour to object (IFA_F_NODAD).
            extra["flags"] = 0x02
        try:
            self._do(
                lambda: self._talk.addr(
                    "add", index=self.have(name), address=str(parsed.ip), prefixlen=parsed.network.prefixlen,
                    scope=scope, **extra,
                ),
                f"{name} {address}",
            )  # fmt: skip
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise

    def addresses(self, name: str) -> list[str]:
        """The addresses of an interface, with prefix lengths."""
        index = self.have(name)
        found = self._do(lambda: list(self._talk.get_addr(index=index)), name)
        return [f"{each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}" for each in found]

    def delete_address(self, name: str, address: str) -> None:
        """Take an address from an interface."""
        parsed = ipaddress.ip_interface(address)
        self._do(
            lambda: self._talk.addr(
                "del", index=self.have(name), address=str(parsed.ip), prefixlen=parsed.network.prefixlen
            ),
            f"{name} {address}",
        )

    def route_outside(self, name: str, gateway: str = "", *, version: int = 4) -> None:
        """Make an interface the way to everywhere, by a gateway if it has one; in place of another if there is."""
        everywhere = "0.0.0.0/0" if version == 4 else "::/0"
        target: dict[str, Any] = {"gateway": gateway} if gateway else {"scope": 253}
        self._do(
            lambda: self._talk.route(
                "replace", dst=everywhere, oif=self.have(name), family=2 if version == 4 else 10, **target
            ),
            f"{name} {gateway}",
        )

    def unroute_outside(self, *, version: int = 4) -> None:
        """Have no way to everywhere; harmless when there is none."""
        everywhere = "0.0.0.0/0" if version == 4 else "::/0"
        try:
            self._do(lambda: self._talk.route("del", dst=everywhere, family=2 if version == 4 else 10), everywhere)
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.ENOENT):
                raise

    def limit(self, name: str, *, rate: int, burst: int) -> None:
        """Let no more than `rate` bytes a second out of an interface, `burst` bytes at once (tc-tbf(8))."""
        index = self.have(name)
        self._do(
            lambda: self._talk.tc(
                "replace", "tbf", index, 0x10000, rate=rate, burst=burst, latency="50ms", parent=0xFFFFFFFF
            ),
            name,
        )

    def unlimit(self, name: str) -> None:
        """Take the limits of an interface away; harmless when there are none."""
        index = self.index(name)
        for parent in (0xFFFFFFFF, 0xFFFFFFF1) if index else ():
            try:
                self._do(lambda p=parent: self._talk.tc("del", index=index, parent=p), name)  # type: ignore[misc]
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL):
                    raise

    def send_through(self, name: str, other: str) -> None:
        """Let all that comes in on an interface go through the queue of `other` (tc-mirred(8))."""
        index, target = self.have(name), self.have(other)
        action = {
            "kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": target,
        }  # fmt: skip

        def work() -> None:
            try:
                self._talk.tc("add", "ingress", index, 0xFFFF0000)
            except Exception as error:
                if getattr(error, "code", 0) != errno.EEXIST:
                    raise
            # One filter that every packet matches, whatever its protocol (ETH_P_ALL).
            self._talk.tc(
                "replace-filter", "u32", index, parent=0xFFFF0000, prio=1, protocol=0x0003,
                target=0x10001,
                keys=["0x0/0x0+0"], action=action,
            )  # fmt: skip

        self._do(work, name)

    def names(self) -> Mapping[str, int]:
        """Every interface: name → number."""
        return {link.get_attr("IFLA_IFNAME"): link["index"] for link in self._do(lambda: list(self._talk.get_links()))}

    def _link(self, verb: str, **fields: Any) -> None:
        self._do(lambda: self._talk.link(verb, **fields), str(fields.get("ifname", fields.get("index", ""))))

    def _do(self, work: Callable[[], Any], about: str = "") -> Any:
        """What the call returns; its failures as OSErrors."""
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            return work()
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code), about) from None


@contextmanager
def links() -> Iterator[Links]:
    """A conversation with the network namespace that this thread is in now."""
    from pyroute2 import IPRoute

    logging.getLogger("pyroute2").setLevel(logging.WARNING)  # it tells of every message
    with IPRoute() as talk:
        yield Links(talk)


def _checked(name: str) -> str:
    if not 0 < len(name.encode()) < IFNAMSIZ or "/" in name or name in (".", "..") or not name.isprintable():
        raise OSError(errno.ERANGE, os.strerror(errno.ERANGE), name)
    return name
