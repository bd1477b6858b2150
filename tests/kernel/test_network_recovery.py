"""Is the kernel's state what the rows say, whenever the daemon is killed, and does traffic notice?"""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import eventually
from expect import IMAGE
from kernel.neighbourhood import HOST, Neighbourhood, do

pytestmark = pytest.mark.needs_root


@pytest.fixture(scope="module")
def killed(image_tar: Path) -> Iterator[Neighbourhood]:
    """An engine that may be killed, with few subnets to give."""
    made = Neighbourhood(image_tar, "--default-address-pool", "base=10.200.0.0/24,size=28")
    try:
        yield made
        assert not made.leaks(), "left behind"
    finally:
        made.close()


@pytest.fixture(autouse=True)
def _clean(killed: Neighbourhood) -> object:
    yield
    killed.clear()


def state(killed: Neighbourhood) -> dict[str, object]:
    """What the kernel has of the engine: rules, interfaces and their addresses."""
    links = json.loads(killed.shell(killed.host, "ip", "-j", "address"))
    addresses = {
        link["ifname"]: sorted(each["local"] for each in link["addr_info"] if each["scope"] == "global")
        for link in links
        if link["ifname"] not in ("lo", "wan0")
    }
    rules = json.loads(killed.nft("-j", "list", "ruleset"))["nftables"]
    for rule in rules:
        for kind in rule.values():
            kind.pop("handle", None)
            if "elem" in kind:
                kind["elem"] = sorted(kind["elem"], key=str)
    sysctls = killed.shell(killed.host, "sh", "-c", "cat /proc/sys/net/ipv4/conf/sampan0/route_localnet")
    return {"addresses": addresses, "rules": sorted(rules, key=str), "sysctls": sysctls}


def test_traffic_does_not_notice_that_the_daemon_dies(killed: Neighbourhood) -> None:
    killed.docker("network", "create", "--subnet", "10.55.0.0/24", "mine")
    killed.serve("web", "-p", "8080:80")
    killed.serve("other", "--network", "mine", "--ip", "10.55.0.44", "-p", "8081:80")
    killed.docker("network", "connect", "bridge", "other")
    # A container may have its own ideas of where the world is, such as behind a VPN.
    killed.docker("run", "-d", "--name", "vpn", "--privileged", IMAGE, "sh", "-c",
                  "ip route replace default dev eth0; sleep 1000")  # fmt: skip
    eventually(lambda: "default dev eth0" in killed.docker("exec", "vpn", "ip", "r"))
    before = state(killed), {name: killed.docker("inspect", "-f", "{{json .NetworkSettings}}", name)
                             for name in ("web", "other")}  # fmt: skip
    failed: list[float] = []
    stop = threading.Event()

    def knock() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection((HOST, 8080), timeout=2) as connection:
                    assert connection.recv(100)
            except (OSError, AssertionError):
                failed.append(time.monotonic())

    knocking = threading.Thread(target=do, args=(killed.neighbour, knock))
    knocking.start()
    try:
        for _ in range(2):
            killed.engine.kill()
            killed.engine.start()
    finally:
        stop.set()
        knocking.join()
    assert not failed
    after = state(killed), {name: killed.docker("inspect", "-f", "{{json .NetworkSettings}}", name)
                            for name in ("web", "other")}  # fmt: skip
    assert after == before
    assert "default dev eth0" in killed.docker("exec", "vpn", "ip", "r")
    assert killed.ask(killed.host, "::1", 8080), "what the engine serves itself is served again"
    said = killed.docker("run", "--rm", "-p", "8080:80", IMAGE, "true", code=125)
    assert "port is already allocated" in said, "what it has it keeps from others"


def test_what_changed_while_nobody_looked_is_put_right(killed: Neighbourhood) -> None:
    killed.serve("web", "-p", "8080:80")
    killed.docker("run", "-d", "--name", "gone", "-p", "8081:80", IMAGE, "sleep", "1000")
    pid = killed.docker("inspect", "-f", "{{.State.Pid}}", "gone")
    before = state(killed)
    killed.engine.kill()
    subprocess.run(["kill", "-9", pid], check=True)
    killed.nft("flush", "ruleset")
    killed.shell(killed.host, "ip", "link", "add", "spn0123456789a", "type", "veth", "peer", "name", "stray1")
    killed.shell(killed.host, "ip", "address", "add", "10.1.2.3/24", "dev", "sampan0")
    killed.engine.start()
    killed.docker("start", "gone")
    killed.docker("stop", "-t", "0", "gone")
    killed.docker("start", "gone")
    assert killed.ask(killed.neighbour, HOST, 8080)
    after = state(killed)
    known = {name: addresses for name, addresses in before["addresses"].items() if not name.startswith("spn")}  # type: ignore[attr-defined]
    assert {n: a for n, a in after["addresses"].items() if not n.startswith("spn")} == known  # type: ignore[attr-defined]
    assert len(after["addresses"]) == len(before["addresses"])  # type: ignore[arg-type]
    assert killed.docker("port", "gone", "80/tcp").split()[0] == "0.0.0.0:8081"


def counts(killed: Neighbourhood) -> set[int]:
    """How many cables there are, how many are guarded, and how many ports are published."""
    cables = sum(name.startswith("spn") for name in killed.interfaces())
    return {cables, len(killed.elements("macs")), len(killed.elements("any4"))}


def test_a_daemon_that_is_killed_at_any_moment_leaves_what_its_rows_say(killed: Neighbourhood) -> None:
    """H13: rules and cables of containers that are not there."""
    killed.docker("run", "--rm", IMAGE, "true")
    assert eventually(lambda: counts(killed) == {0}, 5)
    idle = state(killed)
    for milliseconds in (5, 30, 55, 90):
        client = killed.engine.spawn("run", "-d", "--name", "cut", "-p", "8080:80", IMAGE, "sleep", "1000")
        # The moment counts from when the daemon has the container's row: before that there is nothing to undo.
        eventually(lambda: killed.docker("ps", "-aq", code=None), 5)
        threading.Event().wait(milliseconds / 1000)
        killed.engine.kill()
        client.communicate(timeout=20)
        killed.engine.start()
        running = killed.docker("ps", "-q").split()
        eventually(lambda: len(counts(killed)) == 1, 5)
        assert counts(killed) == {len(running)}, milliseconds
        killed.docker("rm", "-f", "cut", code=None)
        eventually(lambda: state(killed) == idle, 5)
        assert state(killed) == idle, milliseconds


def test_pools_run_out_with_a_sentence(killed: Neighbourhood) -> None:
    """H17: addresses, networks and the host's own subnets."""
    killed.shell(killed.host, "ip", "route", "add", "10.200.0.32/28", "via", "198.51.100.2")
    killed.shell(killed.host, "ip", "route", "add", "blackhole", "10.99.99.0/24")
    made = 0
    while "could not find an available, non-overlapping IPv4 address pool among the defaults" not in (
        said := killed.docker("network", "create", f"n{made}", code=None)
    ):
        assert len(said) == 64 and made < 20, said
        made += 1
    subnets = killed.docker("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}}{{end}}",
                            "bridge", *(f"n{number}" for number in range(made))).split()  # fmt: skip
    assert len(set(subnets)) == made + 1 == 15
    assert "10.200.0.32/28" not in subnets
    # Who names a subnet may have it: a VPN often routes all of 10.0.0.0/8.
    killed.docker("network", "create", "--subnet", "10.99.99.128/25", "named")
    killed.docker("network", "rm", "n3")
    killed.docker("network", "create", "again")
    killed.shell(killed.host, "ip", "route", "del", "10.200.0.32/28")
