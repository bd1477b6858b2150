"""Are the rows H of the security catalogue held? What a container, or a neighbour of the host, may not do."""

import os
import select
import socket
import subprocess
from collections.abc import Callable

import pytest

from engine import eventually
from expect import IMAGE
from kernel import frames
from kernel.frames import ARP, BROADCAST, IP, IPV6, ethernet, wires
from kernel.neighbourhood import HOST, NEIGHBOUR, Neighbourhood, do
from sampan.linux import netlink, netns
from sampan.linux.netdevice import set_up

pytestmark = pytest.mark.needs_root
NOTE = b"not from me"


@pytest.fixture(autouse=True)
def _clean(networked: Neighbourhood) -> object:
    yield
    networked.clear()


def pair(networked: Neighbourhood, network: str) -> None:
    """Two containers on a network."""
    for name in ("one", "two"):
        networked.docker("run", "-d", "--name", name, "--network", network, IMAGE, "sleep", "1000")


def listener(address: str, port: int) -> socket.socket:
    """A UDP socket."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    made.setblocking(False)
    return made


def tell(address: str, port: int) -> None:
    """Send one datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(NOTE, (address, port))


def hears(sentinel: socket.socket, told: Callable[[], object]) -> bool:
    """Whether anything arrives while it is told, over and over."""
    for _ in range(10):
        told()
        if select.select([sentinel], [], [], 0.05)[0]:
            return True
    return False


def test_routes_announced_by_a_container_reach_nobody(networked: Neighbourhood) -> None:
    """H01: router advertisements (CVE-2020-13401)."""
    networked.docker("network", "create", "--ipv6", "--subnet", "fd00:78::/64", "-o",
                     "com.docker.network.bridge.name=six0", "six")  # fmt: skip
    pair(networked, "six")
    a, b = networked.namespace("one"), networked.namespace("two")
    link_local = networked.docker("exec", "one", "sh", "-c", "ip -6 a show scope link | grep inet6").split()[1]
    before = networked.shell(networked.host, "ip", "-6", "route"), networked.docker("exec", "two", "ip", "-6", "r")
    with wires((a, "eth0"), (b, "eth0")) as (sender, receiver):
        announcement = frames.router_advertisement(link_local.partition("/")[0])
        frame = ethernet("33:33:00:00:00:01", sender.mac, IPV6, announcement)
        assert not receiver.sees(lambda seen: seen[12:14] == b"\x86\xdd" and seen[54:55] == b"\x86",
                                 times=lambda: sender.send(frame))  # fmt: skip
        greeting = ethernet(
            BROADCAST, sender.mac, IP, frames.udp(networked.address("one"), "255.255.255.255", 9, b"hello")
        )
        assert receiver.sees(lambda seen: b"hello" in seen, times=lambda: sender.send(greeting)), "it can speak at all"
    assert networked.docker("exec", "two", "ip", "-6", "r") == before[1]
    assert networked.shell(networked.host, "ip", "-6", "route") == before[0]
    assert networked.shell(networked.host, "cat", "/proc/sys/net/ipv6/conf/six0/accept_ra").strip() == "0"


def test_without_ipv6_there_is_none(networked: Neighbourhood) -> None:
    """H02: IPv6 on networks that have none (CVE-2024-32473)."""
    networked.docker("network", "create", "-d", "macvlan", "wire")
    for network in ("bridge", "wire"):
        said = networked.docker(
            "run", "--rm", "--network", network, IMAGE, "sh", "-c", "ip -6 a show dev eth0; ip -4 a"
        )
        assert "inet6" not in said and "eth0" in said, network
    assert "inet6" not in networked.shell(networked.host, "ip", "-6", "address", "show", "dev", "sampan0")


def test_flushed_rules_come_back(networked: Neighbourhood) -> None:
    """H04 H13: a reload of the firewall drops isolation (CVE-2025-54388)."""
    networked.serve("web", "-p", "8080:80")
    before = networked.nft("list", "ruleset")
    for command in (
        ("flush", "ruleset"),
        ("flush", "table", "inet", "sampan"),
        ("delete", "table", "bridge", "sampan"),
    ):
        networked.nft(*command)
        assert eventually(lambda: sorted(networked.nft("list", "ruleset")) == sorted(before), 5), command
        assert networked.ask(networked.neighbour, HOST, 8080)
        assert not networked.ask(networked.neighbour, networked.address("web"), 80)


def test_what_is_only_passing_through_keeps_its_destination(networked: Neighbourhood) -> None:
    """H06: the port map catches what is for others (CVE-2025-67499)."""
    networked.serve("web", "-p", "8080:80")
    networked.docker("run", "-d", "--name", "client", IMAGE, "sleep", "1000")
    listening = do(networked.neighbour, lambda: socket.create_server((NEIGHBOUR, 8080)))
    with listening:
        listening.settimeout(5)
        calling = do(networked.namespace("client"), lambda: socket.create_connection((NEIGHBOUR, 8080), timeout=3))
        with calling:
            connection, peer = listening.accept()
            connection.close()
    assert peer[0] == HOST, "it went out, with the host's address"


def test_a_containers_own_address_is_nobodys_business(networked: Neighbourhood) -> None:
    """H07 H11: a neighbour takes the host for a gateway to containers."""
    address = networked.serve("web", "-p", "8080:80", ports="80 81")
    assert not any(networked.answers((networked.neighbour, address, 80), (networked.neighbour, address, 81)))
    assert networked.ask(networked.neighbour, HOST, 8080)


def test_what_is_published_on_loopback_is_for_the_host_alone(networked: Neighbourhood) -> None:
    """H08 H09: neighbours and containers reach 127.0.0.1 of the host (CVE-2020-8558)."""
    networked.serve("web", "-p", "127.0.0.1:8081:80")
    networked.docker("run", "-d", "--name", "bad", IMAGE, "sleep", "1000")
    sentinel = do(networked.host, lambda: listener("127.0.0.1", 9999))
    conf = "/proc/sys/net/ipv4/conf"
    assert (
        networked.shell(networked.host, "cat", f"{conf}/all/route_localnet", f"{conf}/wan0/route_localnet") == "0\n0\n"
    )
    # Even if the administrator has opened the door to loopback on the wire.
    networked.shell(networked.host, "sh", "-c", f"echo 1 > {conf}/wan0/route_localnet")
    bad = networked.namespace("bad")
    with (
        wires((networked.neighbour, "lan0"), (networked.namespace("web"), "eth0"), (bad, "eth0")) as all_wires,
    ):
        outside, web, inside = all_wires
        gate = networked.mac("wan0")
        knock = ethernet(gate, outside.mac, IP, frames.syn(NEIGHBOUR, "127.0.0.1", 8081))
        assert not web.sees(
            lambda seen: seen[12:14] == b"\x08\x00" and seen[23] == 6, times=lambda: outside.send(knock)
        )
        bridge = networked.mac("sampan0")
        note = ethernet(bridge, inside.mac, IP, frames.udp(networked.address("bad"), "127.0.0.1", 9999, NOTE))
        assert not hears(sentinel, lambda: inside.send(note))
    with sentinel:
        assert hears(sentinel, lambda: do(networked.host, lambda: tell("127.0.0.1", 9999))), "it listens"
    assert networked.ask(networked.host, "127.0.0.1", 8081)
    networked.shell(networked.host, "sh", "-c", f"echo 0 > {conf}/wan0/route_localnet")


def test_the_administrators_own_rules_come_first(networked: Neighbourhood) -> None:
    """H10: publishing goes past the host's firewall."""
    networked.serve("web", "-p", "8080:80")
    networked.serve("kept", "--network", "name=bridge,driver-opt=com.sampan.network.publish=firewall", "-p", "8090:80")
    assert all(networked.answers((networked.neighbour, HOST, 8080), (networked.neighbour, HOST, 8090)))
    networked.nft("add", "rule", "inet", "sampan", "user", "ip", "saddr", NEIGHBOUR, "drop")
    networked.nft("add", "table", "inet", "mine")
    networked.nft("add", "chain", "inet", "mine", "in", "{ type filter hook input priority 0; }")
    networked.nft("add", "rule", "inet", "mine", "in", "tcp", "dport", "8090", "drop")
    asked = ((networked.neighbour, HOST, 8080), (networked.neighbour, HOST, 8090))
    assert not any(networked.answers(*asked))
    # They stay when the engine changes its own.
    networked.docker("run", "--rm", "-p", "8085:80", IMAGE, "true")
    assert not any(networked.answers(*asked))
    networked.nft("flush", "chain", "inet", "sampan", "user")
    networked.nft("delete", "table", "inet", "mine")
    assert all(networked.answers(*asked))


def test_nobody_speaks_for_another(networked: Neighbourhood) -> None:
    """H12: forged hardware and IP addresses, ARP among them (CVE-2020-10749)."""
    pair(networked, "bridge")
    a, b = networked.namespace("one"), networked.namespace("two")
    own, other = networked.address("one"), networked.address("two")
    with wires((a, "eth0"), (b, "eth0")) as (sender, receiver):
        honest = ethernet(receiver.mac, sender.mac, IP, frames.udp(own, other, 9, NOTE))
        assert receiver.sees(lambda seen: NOTE in seen, times=lambda: sender.send(honest)), "what is honest passes"
        for forged in (
            ethernet(receiver.mac, "02:42:ac:11:00:77", IP, frames.udp(own, other, 9, NOTE + b"!")),
            ethernet(receiver.mac, sender.mac, IP, frames.udp("172.17.0.1", other, 9, NOTE + b"!")),
        ):
            assert not receiver.sees(lambda seen: NOTE + b"!" in seen, seconds=0.5,
                                     times=lambda: sender.send(forged))  # noqa: B023 # fmt: skip
        for claim in (
            frames.arp_reply(sender.mac, "172.17.0.1", receiver.mac, other),
            frames.arp_reply("02:42:ac:11:00:77", own, receiver.mac, other),
        ):
            frame = ethernet(receiver.mac, sender.mac, ARP, claim)
            assert not receiver.sees(lambda seen: claim in seen, seconds=0.5, times=lambda: sender.send(frame))  # noqa: B023


def test_the_host_becomes_no_router_for_others(networked: Neighbourhood) -> None:
    """H07 (and moby's policy of FORWARD): forwarding is turned on for containers alone."""
    networked.serve("web", "-p", "8080:80")
    far = netns.make(lambda: set_up("lo"))
    try:

        def host_side() -> None:
            with netlink.links() as links:
                links.add_wire("wan1", "far0", namespace=far)
                links.add_address("wan1", "203.0.113.1/24")
                links.set_up("wan1")

        def far_side() -> None:
            with netlink.links() as links:
                links.add_address("far0", "203.0.113.2/24")
                links.set_up("far0")
                links.route_outside("far0", "203.0.113.1")

        netns.inside(networked.host, host_side)
        netns.inside(far, far_side)
        assert networked.shell(networked.host, "cat", "/proc/sys/net/ipv4/ip_forward").strip() == "1"
        with do(far, lambda: socket.create_server(("203.0.113.2", 80))) as listening:
            listening.settimeout(1.0)
            assert not networked.ask(networked.neighbour, "203.0.113.2", 80)
            with pytest.raises(TimeoutError):
                listening.accept()
        assert networked.ask(far, "203.0.113.1", 8080), "what is published is reached from there, too"
    finally:
        netns.inside(networked.host, lambda: delete("wan1"))
        os.close(far)


def delete(interface: str) -> None:
    """Remove an interface of this namespace."""
    with netlink.links() as links:
        links.delete(interface)


def test_the_clients_address_arrives(networked: Neighbourhood) -> None:
    """H14: all clients appear as one (CVE-2021-20199)."""
    networked.serve("web", "-p", "8080:80")
    assert networked.ask(networked.neighbour, HOST, 8080).endswith(NEIGHBOUR)


def test_names_lead_to_no_files(networked: Neighbourhood) -> None:
    """H16: names of drivers and networks in paths (CVE-2021-20206)."""
    said = networked.docker("network", "create", "-d", "../../etc/x", "n", code=1)
    assert 'plugin "../../etc/x" not found' in said
    networked.docker("network", "create", "../../etc/x")
    networked.docker("run", "--rm", "--network", "../../etc/x", IMAGE, "true")
    said = networked.docker("network", "create", "-o", "com.docker.network.bridge.name=../x", "m", code=1)
    assert "numerical result out of range" in said
    sysctl = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.all/forwarding=1"
    said = networked.docker(
        "run", "--rm", "--network", f"name=../../etc/x,driver-opt={sysctl}", IMAGE, "true", code=125
    )
    assert "invalid sysctl" in said
    sysctl = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1"
    said = networked.docker("run", "--rm", "--network", f"name=../../etc/x,driver-opt={sysctl}", IMAGE,
                            "cat", "/proc/sys/net/ipv4/conf/eth0/log_martians")  # fmt: skip
    assert said == "1"


def test_the_hosts_own_network_is_given_only_to_who_asks(networked: Neighbourhood) -> None:
    """H18: sockets of the host (A35 has the engine's own)."""
    inside = networked.docker("run", "--rm", IMAGE, "readlink", "/proc/self/ns/net")
    outside = networked.docker("run", "--rm", "--network", "host", IMAGE, "readlink", "/proc/self/ns/net")
    host = netns.inside(networked.host, lambda: subprocess.run(
        ["readlink", "/proc/self/ns/net"], capture_output=True, text=True, check=True).stdout.strip())  # fmt: skip
    assert outside == host
    assert inside != host
