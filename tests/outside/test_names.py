"""Do containers find each other by name, and do their files say what dockerd's say? Recorded from dockerd 20.10."""

import json
import os
import re
import socket
import threading
import time

import dns.message
import pytest

from engine import Engine, eventually
from expect import IMAGE, OUTSIDE
from networked import MARK, Networked
from sampan.linux import netns

pytestmark = pytest.mark.needs_root
ADDRESS = "10.65.0.2"
SO_RCVBUFFORCE = 33
LOOPBACK = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
    "ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
)


def looked_up(net: Networked, container: str, name: str, kind: str = "a") -> list[str]:
    """The addresses (or names) that the resolver has for a name, seen from a container."""
    said = net.inside(container, f"nslookup -type={kind} {name} 127.0.0.11")
    answer = said.partition("\n\n")[2]
    return re.findall(r"^Address(?: \d+)?: (\S+)$|name = (\S+)$", answer, re.MULTILINE) and [
        first or second
        for first, second in re.findall(r"^Address(?: \d+)?: (\S+)$|name = (\S+)$", answer, re.MULTILINE)
    ]


def test_names_on_a_users_network(net: Networked) -> None:
    network, other = f"{MARK}-n", f"{MARK}-m"
    net.says("network", "create", "--subnet", "10.61.0.0/24", network)
    net.says("network", "create", other)
    container = net.up("web", "--network", network, "--ip", "10.61.0.2", "--network-alias", "Shop", "-h", "site")
    net.up("web2", "--network", network, "--ip", "10.61.0.3", "--network-alias", "Shop")
    net.up("asks", "--network", network)
    net.up("stranger", "--network", other)
    for name in (f"{MARK}-web", "site", container[:12], f"{MARK}-web.{network}", f"{MARK}-WEB".upper()):
        assert looked_up(net, "asks", name) == ["10.61.0.2"], name
    assert sorted(looked_up(net, "asks", "shop")) == ["10.61.0.2", "10.61.0.3"]
    assert {looked_up(net, "asks", "shop")[0] for _ in range(12)} == {"10.61.0.2", "10.61.0.3"}, "they take turns"
    assert looked_up(net, "asks", "2.0.61.10.in-addr.arpa", "ptr") == [f"{MARK}-web.{network}"]
    for name in (f"{MARK}-web", "shop", container[:12]):
        assert looked_up(net, "stranger", name) == [], name
    assert "NXDOMAIN" not in net.inside("asks", "nslookup -type=aaaa shop 127.0.0.11"), "the name exists"
    net.says("rename", f"{MARK}-web2", f"{MARK}-moved")
    assert looked_up(net, "asks", f"{MARK}-moved") == ["10.61.0.3"]
    net.says("rm", "-f", f"{MARK}-moved")
    assert looked_up(net, "asks", "shop") == ["10.61.0.2"]
    net.says("network", "connect", "--alias", "late", other, f"{MARK}-web")
    assert looked_up(net, "stranger", "late") != []
    net.says("network", "disconnect", network, f"{MARK}-web")
    assert looked_up(net, "asks", f"{MARK}-web") == []


def test_the_files_of_containers(net: Networked) -> None:
    network = f"{MARK}-n"
    net.says("network", "create", "--subnet", "10.62.0.0/24", network)
    flags = ("--rm", "-h", "site", "--domainname", "example.org", "--add-host", "a:1.2.3.4")
    hosts = net.says("run", *flags, "--network", network, IMAGE, "cat", "/etc/hosts") + "\n"
    assert hosts == LOOPBACK + "1.2.3.4\ta\n10.62.0.2\tsite.example.org site\n"
    bridged = net.says("run", "--rm", "-h", "site", IMAGE, "cat", "/etc/hosts", "/etc/hostname") + "\n"
    assert re.fullmatch(re.escape(LOOPBACK) + r"172\.\d+\.\d+\.\d+\tsite\nsite\n", bridged)
    gateway = net.says("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    if not OUTSIDE:  # the peer's default bridge was made without a gateway
        text = net.says("run", "--rm", "--add-host", "h:host-gateway", IMAGE, "grep", "h$", "/etc/hosts")
        assert text.split()[0] == gateway
    read = ("cat", "/etc/resolv.conf")
    given = (
        "--dns",
        "10.9.9.9",
        "--dns",
        "10.9.9.8",
        "--dns-search",
        "x.org",
        "--dns-option",
        "ndots:3",
        "--dns-option",
        "edns0",
    )
    assert net.says("run", "--rm", *given, IMAGE, *read) == (
        "search x.org\nnameserver 10.9.9.9\nnameserver 10.9.9.8\noptions ndots:3 edns0"
    )
    assert net.says("run", "--rm", "--network", network, *given, IMAGE, *read) == (
        "search x.org\nnameserver 127.0.0.11\noptions ndots:3 edns0"
    )
    lines = net.says("run", "--rm", "--network", network, IMAGE, *read).splitlines()
    assert "nameserver 127.0.0.11" in lines and lines[-1].endswith("ndots:0")
    assert "127." not in net.says("run", "--rm", IMAGE, *read)


def test_links_on_the_default_network(net: Networked) -> None:
    net.up("db", "--expose", "5432", "-e", "SECRET=s")
    address = net.says("inspect", "--format", "{{.NetworkSettings.IPAddress}}", f"{MARK}-db")
    script = "grep -w pg /etc/hosts; env | grep ^PG_ | sort"
    said = net.says("run", "--rm", "--name", f"{MARK}-c", "--link", f"{MARK}-db:pg", IMAGE, "sh", "-c", script)
    short = net.says("ps", "-q", "--filter", f"name={MARK}-db")
    assert said.splitlines() == [
        f"{address}\tpg {short} {MARK}-db",
        "PG_ENV_SECRET=s",
        f"PG_NAME=/{MARK}-c/pg",
        f"PG_PORT=tcp://{address}:5432",
        f"PG_PORT_5432_TCP=tcp://{address}:5432",
        f"PG_PORT_5432_TCP_ADDR={address}",
        "PG_PORT_5432_TCP_PORT=5432",
        "PG_PORT_5432_TCP_PROTO=tcp",
    ]
    net.says("create", "--name", f"{MARK}-p", "--link", f"{MARK}-db:pg", IMAGE, "true")
    shown = net.says("inspect", "--format", "{{json .HostConfig.Links}}", f"{MARK}-p")
    assert json.loads(shown) == [f"/{MARK}-db:/{MARK}-p/pg"]
    assert f"{MARK}-p/pg" in net.says("ps", "--no-trunc", "--filter", f"name={MARK}-db", "--format", "{{.Names}}")
    done = net.docker("run", "--rm", "--link", f"{MARK}-nosuch", IMAGE, "true")
    assert f"could not get container for {MARK}-nosuch: No such container: {MARK}-nosuch" in done.stderr
    net.says("stop", "-t", "0", f"{MARK}-db")
    done = net.docker("start", f"{MARK}-p")
    assert f"Cannot link to a non running container: /{MARK}-db AS /{MARK}-p/pg" in done.stderr
    assert net.says("rm", "--link", f"{MARK}-p/pg") == f"{MARK}-p/pg"
    net.says("start", f"{MARK}-p")


def test_links_on_a_users_network_are_names_for_one(net: Networked) -> None:
    network = f"{MARK}-n"
    net.says("network", "create", "--subnet", "10.63.0.0/24", network)
    net.up("db", "--network", network, "--ip", "10.63.0.7")
    net.up("linked", "--network", network, "--link", f"{MARK}-db:pg")
    net.up("other", "--network", network)
    assert looked_up(net, "linked", "pg") == ["10.63.0.7"]
    assert looked_up(net, "other", "pg") == []


@pytest.mark.skipif(bool(OUTSIDE), reason="dockerd has no such thing")
def test_a_network_without_the_resolver(net: Networked) -> None:
    network = f"{MARK}-n"
    net.says("network", "create", "-o", "com.sampan.network.dns=false", network)
    net.up("c", "--network", network)
    assert "127.0.0.11" not in net.inside("c", "cat /etc/resolv.conf")
    assert "refused" in net.inside("c", "nslookup x 127.0.0.11").lower()


def test_a_container_that_comes_to_its_first_users_network_gets_the_resolver(net: Networked) -> None:
    network = f"{MARK}-n"
    net.says("network", "create", "--subnet", "10.64.0.0/24", network)
    net.up("neighbour", "--network", network, "--ip", "10.64.0.7")
    net.up("c")
    assert "127.0.0.11" not in net.inside("c", "cat /etc/resolv.conf")
    net.says("network", "connect", network, f"{MARK}-c")
    assert looked_up(net, "c", f"{MARK}-neighbour") == ["10.64.0.7"]
    assert "nameserver 127.0.0.11" in net.inside("c", "cat /etc/resolv.conf")


class Asker:
    """Asks for one name again and again, and notes what is answered when."""

    def __init__(self, namespace: str, name: str) -> None:
        fd = netns.open_of(namespace)
        self._socket = netns.inside(fd, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        os.close(fd)
        # Room for the answers to all that waited: they come at once, and this thread may not have its turn by then.
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self._socket.connect(("127.0.0.11", 53))
        self._socket.settimeout(0.01)
        self._query = dns.message.make_query(name, "A").to_wire()[2:]
        self._ends = threading.Event()
        self.asked: dict[int, float] = {}
        self.answered: dict[int, float] = {}
        self.wrong: list[bytes] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.is_set():
            number = len(self.asked)
            self.asked[number] = time.monotonic()
            self._socket.send(number.to_bytes(2, "big") + self._query)
            self._receive()
        eventually(lambda: self._receive() or len(self.answered) == len(self.asked))

    def _receive(self) -> None:
        try:
            while True:
                answer = self._socket.recv(512)
                if socket.inet_aton(ADDRESS) not in answer:
                    self.wrong.append(answer)
                else:
                    self.answered[int.from_bytes(answer[:2], "big")] = time.monotonic()
        except TimeoutError:
            return

    def end(self) -> None:
        self._ends.set()
        self._thread.join()
        self._socket.close()


def test_no_question_is_lost_while_the_daemon_is_killed_and_started(bridged_engine: Engine) -> None:
    """What is asked meanwhile waits in sockets that the shim keeps, and is answered within a second of the start."""
    engine = bridged_engine
    assert engine.docker("network", "create", "--subnet", "10.65.0.0/24", "n").code == 0
    for name, flags in (("web", ("--ip", ADDRESS)), ("asks", ())):
        done = engine.docker("run", "-d", "--name", name, "--network", "n", *flags, IMAGE, "sleep", "1000")
        assert done.code == 0, done.stderr
    pid = engine.docker("inspect", "--format", "{{.State.Pid}}", "asks").stdout.strip()
    asker = Asker(f"/proc/{pid}/ns/net", "web")
    assert eventually(lambda: len(asker.answered) > 20)
    for _ in range(2):
        engine.kill()
        killed = len(asker.asked)
        assert eventually(lambda killed=killed: len(asker.asked) > killed + 20)  # type: ignore[misc]
        engine.start()
        started = time.monotonic()
        assert eventually(lambda started=started: max(asker.answered.values()) > started)  # type: ignore[misc]
    asker.end()
    assert asker.wrong == [], "known to the daemon before, and not to the next"
    lost = sorted(asker.asked.keys() - asker.answered.keys())
    assert not lost, f"questions were lost: {lost[0]} to {lost[-1]}, {len(lost)} of {len(asker.asked)}"
    first_after = min(moment for moment in asker.answered.values() if moment > started)
    assert first_after - started < 1
    assert engine.docker("exec", "asks", "nslookup", "web").code == 0
