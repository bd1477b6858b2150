"""What does an engine's network look like from outside? An engine in a namespace of its own, and a neighbour on a wire.

    neighbour 198.51.100.2 ── wire ── 198.51.100.1 host (the engine's namespace) ── bridges ── containers
              2001:db8:1::2                2001:db8:1::1

Everything is asked in the namespace where it is to be true: `host` and `neighbour` are descriptors for `dial` and `do`.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from engine import Engine, Result, eventually
from expect import IMAGE
from sampan.linux import netlink, netns, nftables
from sampan.linux.netdevice import set_up
from sampan.linux.nftables import Family
from sampan.networks.ruleset import PORT_SETS, SETS, TABLE

HOST, NEIGHBOUR = "198.51.100.1", "198.51.100.2"
HOST6, NEIGHBOUR6 = "2001:db8:1::1", "2001:db8:1::2"
SECONDS = 1.0
"""How long a connection that should fail may take to be refused: longer than any that should work."""

T = TypeVar("T")


class Neighbourhood:
    """One engine, its host's namespace, and a neighbour's."""

    def __init__(self, image_tar: Path, *flags: str) -> None:
        self.engine = Engine(*flags, bridge="")
        self.neighbour = netns.make(lambda: set_up("lo"))
        self.servers: list[Server] = []
        try:
            self.engine.start()
            from conftest import prepare

            prepare(self.engine, image_tar)
            assert self.engine.network is not None
            self.host = self.engine.network
            self._wire()
        except BaseException:
            self.close()
            raise

    def _wire(self) -> None:
        def host_side() -> None:
            with netlink.links() as links:
                links.add_wire("wan0", "lan0", namespace=self.neighbour)
                for address in (f"{HOST}/24", f"{HOST6}/64"):
                    links.add_address("wan0", address)
                links.set_up("wan0")

        def neighbour_side() -> None:
            with netlink.links() as links:
                for address in (f"{NEIGHBOUR}/24", f"{NEIGHBOUR6}/64"):
                    links.add_address("lan0", address)
                links.set_up("lan0")
                # A neighbour that means harm sends everything to the host, whoever it is for.
                links.route_outside("lan0", HOST)
                links.route_outside("lan0", HOST6, version=6)

        netns.inside(self.host, host_side)
        netns.inside(self.neighbour, neighbour_side)

    def docker(self, *arguments: str, code: int | None = 0, timeout: float = 60) -> str:
        """What the docker CLI printed; it must end with `code`."""
        done: Result = self.engine.docker(*arguments, timeout=timeout)
        assert code is None or done.code == code, f"{arguments}: exit {done.code}\n{done.stdout}{done.stderr}"
        return (done.stdout + (done.stderr if done.code else "")).strip()

    def serve(self, name: str, *flags: str, ports: str = "80") -> str:
        """A container with servers on `ports`; its IPv4 address in its first network, if it has one."""
        self.docker("run", "-d", "--name", name, *flags, IMAGE, "sleep", "1000")
        self.open(name, ports)
        return self.address(name)

    def open(self, name: str, ports: str = "80") -> None:
        """Have servers in a running container: they say its name, and who asked."""
        place = self.namespace(name)
        for port in ports.split():
            self.servers.append(Server(place, name, int(port)))

    def address(self, name: str, network: str = "") -> str:
        """A container's IPv4 address."""
        which = f'(index .NetworkSettings.Networks "{network}").IPAddress' if network else ""
        what = "{{" + which + "}}" if network else "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        return (self.docker("inspect", "-f", what, name).split() or [""])[0]

    def address6(self, name: str) -> str:
        """A container's IPv6 address."""
        what = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}} {{end}}"
        return self.docker("inspect", "-f", what, name).split()[0]

    def ask_inside(self, name: str, address: str, port: int) -> str:
        """What a container hears when it connects somewhere, "" for nothing."""
        return dial(self.namespace(name), address, port)

    def namespace(self, name: str) -> "Namespace":
        """A container's namespace."""
        return Namespace(int(self.docker("inspect", "-f", "{{.State.Pid}}", name)))

    def ask(self, place: int, address: str, port: int) -> str:
        """The same from the host or the neighbour."""
        return dial(place, address, port)

    def answers(self, *asked: tuple[int, str, int]) -> list[str]:
        """What is heard from each (place, address, port); all at once, for silence takes its time."""
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(lambda one: dial(*one), asked))

    def nft(self, *words: str) -> str:
        """A command of nft(8) in the host's namespace."""
        return self.shell(self.host, "nft", *words)

    def shell(self, place: int, *words: str) -> str:
        """A program of the machine, run in a namespace."""
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{os.getpid()}/fd/{place}", *words],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def mac(self, interface: str) -> str:
        """The hardware address of one of the host's interfaces."""
        said = self.shell(self.host, "ip", "-o", "link", "show", "dev", interface)
        return said.partition("link/ether ")[2].split()[0]

    def elements(self, name: str) -> list[bytes]:
        """The keys of one of the engine's sets, as the kernel has them."""
        family = Family.BRIDGE if name in {made.name for made in PORT_SETS} else Family.INET
        try:
            return [key for key, _ in netns.inside(self.host, lambda: nftables.elements(family, TABLE, name))]
        except FileNotFoundError:
            return []  # nothing has been made yet

    def interfaces(self) -> list[str]:
        """The names of the host's interfaces."""
        return netns.inside(self.host, lambda: [name for _, name in socket.if_nameindex()])

    def settled(self, names: set[str]) -> bool:
        """Whether the host comes to have these interfaces and no others."""
        return eventually(lambda: set(self.interfaces()) == names, 5)

    def clear(self) -> None:
        """Remove every container and network that tests made."""
        while self.servers:
            self.servers.pop().close()
        if made := self.docker("ps", "-aq").split():
            self.docker("rm", "-f", *made)
        if made := self.docker("network", "ls", "-q", "--filter", "type=custom").split():
            self.docker("network", "rm", *made)

    def leaks(self) -> list[str]:
        """What is left in the kernel when every container and network is gone."""
        self.clear()
        kept = {"lo", "wan0", "sampan0"}
        eventually(lambda: set(self.interfaces()) <= kept, 5)
        found = [name for name in self.interfaces() if name not in kept]
        own = ("bridges", "own", "masquerade4", "masquerade6", "closed")
        names = [made.name for made in (*SETS, *PORT_SETS) if made.name not in own]
        eventually(lambda: not any(map(self.elements, names)), 5)
        return found + [f"{name}: {left}" for name in names if (left := self.elements(name))]

    def close(self) -> None:
        """End it all."""
        found = self.engine.close()
        os.close(self.neighbour)
        assert not found, found


class Namespace(int):
    """A descriptor of a process's network namespace, closed with the object."""

    is_closed = False

    def __new__(cls, pid: int) -> "Namespace":
        return super().__new__(cls, netns.open_of(f"/proc/{pid}/ns/net"))

    def close(self) -> None:
        """Let go of it."""
        if not self.is_closed:
            self.is_closed = True
            os.close(self)

    def __del__(self) -> None:
        self.close()


class Server:
    """Listens in a namespace, on every address, as long as it is not closed: a socket keeps its namespace alive."""

    def __init__(self, place: int, name: str, port: int) -> None:
        self._said = f"hello from {name} to "
        self._socket = netns.inside(place, lambda: socket.create_server(("::", port), family=socket.AF_INET6,
                                                                        dualstack_ipv6=True))  # fmt: skip
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return  # closed
            with connection:
                try:
                    connection.sendall(f"{self._said}{peer[0].removeprefix('::ffff:')}".encode())
                except OSError:
                    pass  # who asked has left

    def close(self) -> None:
        """Stop."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def do(place: int, function: Callable[[], T]) -> T:
    """What `function` returns inside a namespace; in a thread of its own, for it may wait there."""
    found: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(netns.inside(place, function))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    if failed:
        raise failed[0]
    return found[0]


def dial(place: int, address: str, port: int, *, seconds: float = SECONDS) -> str:
    """What a TCP server says to who connects from this namespace; "" if nobody answers."""

    def work() -> str:
        try:
            with socket.create_connection((address, port), timeout=seconds) as connection:
                connection.settimeout(20)  # who was let in is answered, however busy the machine
                heard = b""
                while data := connection.recv(1024):
                    heard += data
                return heard.decode().strip()
        except OSError:
            return ""

    return do(place, work)
