"""Do containers on bridges reach what they should, and nothing else?"""

import json
import socket

import pytest

from expect import IMAGE
from kernel.neighbourhood import HOST, HOST6, NEIGHBOUR, Neighbourhood, do

pytestmark = pytest.mark.needs_root


@pytest.fixture(autouse=True)
def _clean(networked: Neighbourhood) -> object:
    yield
    networked.clear()


def test_a_container_has_an_address_a_gateway_and_no_ipv6(networked: Neighbourhood) -> None:
    said = networked.docker("run", "--rm", IMAGE, "sh", "-c", "ip -o a show dev eth0; ip r; ping -c1 -W2 172.17.0.1")
    assert "inet 172.17.0.2/16" in said
    assert "default via 172.17.0.1 dev eth0" in said
    assert "1 packets received" in said
    assert "inet6" not in said


def test_a_published_port_is_reached_from_everywhere_it_should_be(networked: Neighbourhood) -> None:
    address = networked.serve("web", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", f"{HOST}:8082:80")
    for where, to, port, seen in (
        (networked.host, "127.0.0.1", 8080, "172.17.0.1"),
        (networked.host, HOST, 8080, HOST),
        (networked.host, "172.17.0.1", 8080, "172.17.0.1"),
        (networked.host, "::1", 8080, "172.17.0.1"),
        (networked.host, HOST6, 8080, "172.17.0.1"),
        (networked.host, "127.0.0.1", 8081, "172.17.0.1"),
        (networked.host, HOST, 8082, HOST),
        (networked.neighbour, HOST, 8080, NEIGHBOUR),
        (networked.neighbour, HOST, 8082, NEIGHBOUR),
    ):
        said = networked.ask(where, to, port)
        assert said.startswith("hello from web") and said.endswith(f"to {seen}"), (to, port, said)
    assert networked.ask_inside("web", "172.17.0.1", 8080), "a container reaches itself by its published port"
    networked.docker("run", "-d", "--name", "other", IMAGE, "sleep", "100")
    assert networked.ask_inside("other", "172.17.0.1", 8080), "and so does its neighbour on the bridge"
    assert networked.ask_inside("other", address, 80)
    assert not any(
        networked.answers(
            (networked.neighbour, HOST, 8081),
            (networked.neighbour, address, 80),
            (networked.neighbour, HOST, 80),
            (networked.host, HOST, 8081),
            (networked.host, "127.0.0.1", 8082),
        )
    )
    assert sorted(networked.docker("port", "web", "80/tcp").split()) == [
        "0.0.0.0:8080", "127.0.0.1:8081", f"{HOST}:8082", "[::]:8080",
    ]  # fmt: skip


def test_a_taken_port_is_an_error_before_anything_starts(networked: Neighbourhood) -> None:
    networked.serve("first", "-p", "8080:80")
    said = networked.docker("run", "--rm", "-p", "8080:80", IMAGE, "echo", "started", code=125)
    assert "driver failed programming external connectivity on endpoint" in said
    assert "Bind for 0.0.0.0:8080 failed: port is already allocated" in said
    networked.docker("run", "-d", "--name", "range", "-p", "8080-8090:80", IMAGE, "sleep", "100")
    assert networked.docker("port", "range", "80").split()[0] == "0.0.0.0:8081"
    networked.docker("rm", "-f", "first", "range")
    assert not networked.elements("any4")
    networked.docker("run", "--rm", "-p", "8080:80", IMAGE, "true")


def test_ranges_protocols_and_ephemeral_ports(networked: Neighbourhood) -> None:
    networked.docker(
        "run", "-d", "--name", "many", "-p", "7000-7099:7000-7099", "-p", "53:53/udp", "-p", "9:9/sctp", "-p", "99",
        "-P", "--expose", "98", IMAGE, "sleep", "100",
    )  # fmt: skip
    ports = json.loads(networked.docker("inspect", "-f", "{{json .NetworkSettings.Ports}}", "many"))
    assert len(ports) == 100 + 4
    assert ports["7042/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": "7042"}
    assert ports["53/udp"][0]["HostPort"] == "53"
    assert ports["9/sctp"][0]["HostPort"] == "9"
    assert all(32768 <= int(ports[key][0]["HostPort"]) <= 60999 for key in ("99/tcp", "98/tcp"))
    assert len(networked.elements("any4")) == 104
    networked.docker("stop", "-t", "0", "many")
    assert not networked.elements("any4")


def test_datagrams_under_way_follow_the_port(networked: Neighbourhood) -> None:
    with do(networked.neighbour, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.connect((HOST, 5353))

        def arrives(name: str) -> bool:
            place = networked.namespace(name)
            with do(place, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
                server.bind(("", 53))
                server.settimeout(0.2)
                for _ in range(10):
                    try:
                        client.send(b"x")
                    except ConnectionRefusedError:
                        pass  # told about one before
                    try:
                        return bool(server.recv(10))
                    except TimeoutError:
                        continue
            return False

        client.send(b"nobody is there yet, and the kernel remembers that")
        networked.docker("run", "-d", "--name", "first", "-p", "5353:53/udp", IMAGE, "sleep", "100")
        assert arrives("first")
        networked.docker("run", "-d", "--name", "other", IMAGE, "sleep", "100")
        networked.docker("rm", "-f", "first")
        networked.docker("run", "-d", "--name", "holder", IMAGE, "sleep", "100")
        networked.docker("run", "-d", "--name", "second", "-p", "5353:53/udp", IMAGE, "sleep", "100")
        assert networked.address("second") != "172.17.0.2"
        assert arrives("second")


def test_networks_are_apart_and_internal_ones_lead_nowhere(networked: Neighbourhood) -> None:
    networked.docker("network", "create", "blue")
    networked.docker("network", "create", "--internal", "inner")
    networked.docker("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "quiet")
    addresses = {name: networked.serve(name, "--network", name) for name in ("blue", "inner", "quiet")}
    for name in addresses:
        networked.docker("run", "-d", "--name", f"{name}2", "--network", name, IMAGE, "sleep", "100")
    pairs = [(one, other) for one in addresses for other in addresses]
    heard = networked.answers(*((networked.namespace(f"{one}2"), addresses[other], 80) for one, other in pairs))
    assert {pair for pair, said in zip(pairs, heard, strict=True) if said} == {("blue", "blue"), ("inner", "inner")}
    assert all(networked.answers(*((networked.host, address, 80) for address in addresses.values())))
    assert not any(networked.answers(*((networked.neighbour, address, 80) for address in addresses.values())))
    routes = {name: networked.docker("exec", name, "ip", "r") for name in addresses}
    assert "default" not in routes["inner"] and "default" in routes["blue"]
    ping = ("ping", "-c1", "-W1", NEIGHBOUR)
    assert "1 packets received" in networked.docker("exec", "blue", *ping)
    networked.docker("exec", "inner", *ping, code=1)
    # Nor when it takes the host for a gateway by itself.
    networked.docker("run", "--rm", "--privileged", "--network", "inner", IMAGE, "sh", "-c",
                     f"ip r add default via {gateway(networked, 'inner')}; ! ping -c1 -W1 {NEIGHBOUR}")  # fmt: skip


def gateway(networked: Neighbourhood, network: str) -> str:
    """The address of a network's bridge."""
    return networked.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network)


def test_ipv6_keeps_the_clients_address(networked: Neighbourhood) -> None:
    networked.docker("network", "create", "--ipv6", "--subnet", "fd00:77::/64", "six")
    networked.serve("web", "--network", "six", "-p", "8080:80")
    address = networked.address6("web")
    assert address == "fd00:77::2"
    assert "2001:db8:1::2" in networked.ask(networked.neighbour, HOST6, 8080)
    assert "198.51.100.2" in networked.ask(networked.neighbour, HOST, 8080)
    assert networked.ask(networked.host, "::1", 8080)
    assert networked.ask(networked.host, HOST6, 8080)
    assert not networked.ask(networked.neighbour, address, 80)
    said = networked.docker("run", "--rm", "--network", "six", IMAGE, "ping", "-6", "-c1", "-W2", "2001:db8:1::2")
    assert "1 packets received" in said


def test_connect_and_disconnect_move_the_way_out_and_the_ports(networked: Neighbourhood) -> None:
    networked.docker("network", "create", "--subnet", "10.99.0.0/24", "zoo")
    networked.docker("network", "create", "--subnet", "10.98.0.0/24", "ark")
    networked.serve("web", "--network", "zoo", "-p", "8080:80")
    networked.docker("network", "connect", "--ip", "10.98.0.77", "ark", "web")
    inside = networked.docker("exec", "web", "sh", "-c", "ip r; ip -o a")
    assert "default via 10.98.0.1 dev eth1" in inside and "10.98.0.77/24" in inside
    assert networked.ask(networked.neighbour, HOST, 8080)
    networked.docker("network", "disconnect", "ark", "web")
    inside = networked.docker("exec", "web", "sh", "-c", "ip r; ip -o a")
    assert "default via 10.99.0.1 dev eth0" in inside and "eth1" not in inside
    assert networked.ask(networked.neighbour, HOST, 8080)
    networked.docker("network", "disconnect", "zoo", "web")
    assert networked.docker("exec", "web", "ip", "r") == ""
    assert not networked.ask(networked.neighbour, HOST, 8080)
    networked.docker("network", "connect", "zoo", "web")
    assert networked.ask(networked.neighbour, HOST, 8080)
    networked.docker("restart", "-t", "0", "web")
    networked.open("web")
    assert networked.ask(networked.neighbour, HOST, 8080)


def test_gateway_modes_and_options(networked: Neighbourhood) -> None:
    mode = "com.docker.network.bridge.gateway_mode_ipv4"
    networked.docker("network", "create", "-o", f"{mode}=routed", "-o", "com.docker.network.driver.mtu=1400", "routed")
    networked.docker("network", "create", "-o", f"{mode}=nat-unprotected", "open")
    networked.docker("network", "create", "-o", "com.docker.network.bridge.name=mybr", "-o",
                     "com.docker.network.bridge.host_binding_ipv4=127.0.0.1", "bound")  # fmt: skip
    routed = networked.serve("routed", "--network", "routed", "-p", "8080:80", ports="80 81")
    opened = networked.serve("open", "--network", "open", ports="81")
    networked.serve("bound", "--network", "bound", "-p", "8083:80")
    assert NEIGHBOUR in networked.ask(networked.neighbour, routed, 80)
    assert not networked.ask(networked.neighbour, routed, 81)
    assert not networked.ask(networked.neighbour, HOST, 8080)
    assert networked.ask(networked.neighbour, opened, 81)
    assert "mtu 1400" in networked.docker("exec", "routed", "ip", "a", "show", "dev", "eth0")
    assert "mybr" in networked.interfaces()
    assert networked.docker("port", "bound", "80") == "127.0.0.1:8083"
    assert not networked.ask(networked.neighbour, HOST, 8083)
    for option, sentence in (
        (f"{mode}=odd", "unknown gateway mode odd"),
        ("com.docker.network.driver.mtu=abc", "failed to parse com.docker.network.driver.mtu value: abc"),
        ("com.docker.network.bridge.name=toolongnameforaninterface", "numerical result out of range"),
        ("com.docker.network.bridge.enable_icc=maybe", "failed to parse com.docker.network.bridge.enable_icc value"),
    ):
        assert sentence in networked.docker("network", "create", "-o", option, "bad", code=1)


def test_wrong_addresses_are_refused_with_dockers_sentences(networked: Neighbourhood) -> None:
    networked.docker("network", "create", "--subnet", "10.97.0.0/30", "tiny")
    networked.docker("network", "create", "auto")
    networked.docker("run", "-d", "--name", "only", "--network", "tiny", IMAGE, "sleep", "100")
    run = ("run", "--rm", "--network")
    for arguments, sentence in (
        (("tiny", "--ip", "10.97.0.2"), "Address already in use"),
        (("tiny", "--ip", "10.1.0.2"), "Invalid address 10.1.0.2: It does not belong to any of this network's subnets"),
        (("tiny",), "no available IPv4 addresses on this network's address pools: tiny ("),
        (("auto", "--ip", "10.1.0.2"), "user specified IP address is supported only when connecting to networks with"),
        (("bridge", "--ip", "172.17.0.9"), "user specified IP address is supported on user defined networks only"),
    ):
        assert sentence in networked.docker(*run, *arguments, IMAGE, "true", code=125), arguments
    assert "has active endpoints" in networked.docker("network", "rm", "tiny", code=1)
    said = networked.docker("network", "create", "--subnet", "10.97.0.0/16", "x", code=1)
    assert "Pool overlaps with other one on this address space" in said


def test_whose_address_leaves_the_host(networked: Neighbourhood) -> None:
    networked.docker("network", "create", "-o", "com.docker.network.bridge.enable_ip_masquerade=false", "bare")
    networked.docker("network", "create", "-o", "com.docker.network.host_ipv4=198.51.100.77", "chosen")
    networked.shell(networked.host, "ip", "address", "add", "198.51.100.77/32", "dev", "wan0")
    listening = do(networked.neighbour, lambda: socket.create_server((NEIGHBOUR, 80)))
    with listening:
        listening.settimeout(5)
        for network, seen in (("bridge", HOST), ("bare", ""), ("chosen", "198.51.100.77")):
            networked.docker("run", "-d", "--name", network, "--network", network, IMAGE, "sleep", "100")
            seen = seen or networked.address(network)
            place = networked.namespace(network)
            with do(place, lambda: socket.create_connection((NEIGHBOUR, 80), timeout=5)):
                connection, peer = listening.accept()
                connection.close()
            assert peer[0] == seen, network


def test_datagrams_to_ipv6_loopback_are_passed_on_and_answered(networked: Neighbourhood) -> None:
    networked.docker("run", "-d", "--name", "echo", "-p", "5353:53/udp", IMAGE, "sleep", "100")
    with (
        do(networked.namespace("echo"), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server,
        do(networked.host, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as client,
    ):
        server.bind(("", 53))
        for each in (server, client):
            each.settimeout(5)
        for number in range(3):
            client.sendto(b"question %d" % number, ("::1", 5353))
            data, asker = server.recvfrom(100)
            server.sendto(data.replace(b"question", b"answer"), asker)
            assert client.recv(100) == b"answer %d" % number
