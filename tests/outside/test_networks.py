"""Do networks behave as dockerd's? Every test passes on dockerd 20.10, where what it says was recorded."""

import json
import re
import time
from itertools import groupby

import pytest

from engine import Result, eventually
from expect import IMAGE, OUTSIDE
from networked import MARK, Networked

pytestmark = pytest.mark.needs_root


def sentence(result: Result) -> str:
    """The daemon's sentence in what docker's client said."""
    return re.sub(r"^docker: |^Error response from daemon: ", "", result.stderr.split("\n")[0]).removeprefix(
        "Error response from daemon: "
    )


def test_a_network_is_made_shown_and_removed(net: Networked) -> None:
    name = f"{MARK}-n"
    flags = ("--subnet", "10.71.0.0/16", "--ip-range", "10.71.4.0/24", "--gateway", "10.71.0.9")
    more = (
        "--aux-address",
        "printer=10.71.4.1",
        "--label",
        "a=b",
        "--attachable",
        "-o",
        "com.docker.network.driver.mtu=1400",
    )
    network_id = net.says("network", "create", *flags, *more, name)
    assert re.fullmatch("[0-9a-f]{64}", network_id)
    (shown,) = json.loads(net.says("network", "inspect", name))
    assert shown["IPAM"]["Config"] == [
        {
            "Subnet": "10.71.0.0/16",
            "IPRange": "10.71.4.0/24",
            "Gateway": "10.71.0.9",
            "AuxiliaryAddresses": {"printer": "10.71.4.1"},
        }
    ]
    wanted = {
        "Name": name, "Id": network_id, "Scope": "local", "Driver": "bridge", "EnableIPv6": False, "Internal": False,
        "Attachable": True, "Ingress": False, "ConfigFrom": {"Network": ""}, "ConfigOnly": False, "Containers": {},
        "Options": {"com.docker.network.driver.mtu": "1400"}, "Labels": {"a": "b"},
    }  # fmt: skip
    assert {key: shown[key] for key in wanted} == wanted
    assert shown["IPAM"]["Driver"] == "default"
    container = net.up("c", "--network", name)
    (shown,) = json.loads(net.says("network", "inspect", network_id[:12]))
    member = shown["Containers"][container]
    assert (member["Name"], member["IPv4Address"], member["IPv6Address"]) == (f"{MARK}-c", "10.71.4.0/16", "")
    assert member["MacAddress"] == "02:42:0a:47:04:00"
    assert "mtu 1400" in net.inside("c", "ip link show eth0")
    assert "default via 10.71.0.9" in net.inside("c", "ip route")
    refused = net.docker("network", "rm", name)
    assert sentence(refused) == f"error while removing network: network {name} id {network_id} has active endpoints"
    net.says("rm", "-f", f"{MARK}-c")
    assert net.says("network", "rm", name) == name
    assert "not found" in net.docker("network", "inspect", name).stderr


def test_networks_are_listed_by_filters_and_pruned(net: Networked) -> None:
    for which, label in (("one", "x=1"), ("two", "x=2"), ("used", "x=1")):
        net.says("network", "create", "--label", label, f"{MARK}-{which}")
    net.up("c", "--network", f"{MARK}-used")

    def listed(*filters: str) -> set[str]:
        flags = [word for each in (f"name={MARK}-", *filters) for word in ("--filter", each)]
        return {
            line.removeprefix(f"{MARK}-") for line in net.says("network", "ls", "--format", "{{.Name}}", *flags).split()
        }

    assert listed() == {"one", "two", "used"}
    assert listed("label=x") == {"one", "two", "used"}
    assert listed("label=x=1") == {"one", "used"}
    if not OUTSIDE:  # dockerd 20.10 takes every network for unused here
        assert listed("dangling=true") == {"one", "two"}
        assert listed("dangling=false") == {"used"}
    assert listed("driver=bridge", "type=custom", "scope=local") == {"one", "two", "used"}
    assert listed("type=builtin") == listed("driver=host") == listed("scope=swarm") == set()
    assert sentence(net.docker("network", "ls", "--filter", "type=odd")) == "invalid filter: 'type'='odd'"
    assert "dangling" in net.docker("network", "ls", "--filter", "dangling=maybe").stderr
    pruned = net.says("network", "prune", "-f", "--filter", "label=x=1")
    assert pruned.split() == ["Deleted", "Networks:", f"{MARK}-one"]
    assert listed() == {"two", "used"}


NOT_MADE = [
    (("--subnet", "10.72.0.0/33"), "invalid CIDR address: 10.72.0.0/33"),
    (("--subnet", "10.72.0.0/25"), "Pool overlaps with other one on this address space"),
    (("-d", "nosuch"), 'plugin "nosuch" not found'),
    (
        ("-o", "com.docker.network.bridge.enable_icc=odd"),
        "failed to parse com.docker.network.bridge.enable_icc value: odd",
    ),
    (("-d", "host"), 'only one instance of "host" network is allowed'),
    (("-d", "null"), 'only one instance of "null" network is allowed'),
]


def test_networks_that_are_not_made(net: Networked) -> None:
    """Docker's sentence, and nothing is left of the attempt."""
    net.says("network", "create", "--subnet", "10.72.0.0/24", f"{MARK}-there")
    for flags, said in NOT_MADE:
        done = net.docker("network", "create", *flags, f"{MARK}-bad")
        assert done.code == 1 and said in done.stderr, f"{flags}: {done}"
    for name in ("host", "bridge", "none"):
        done = net.docker("network", "create", name)
        assert sentence(done).strip() == f"operation is not permitted on predefined {name} network"
        assert sentence(net.docker("network", "rm", name)) == f"{name} is a pre-defined network and cannot be removed"
    assert (
        sentence(net.docker("network", "create", f"{MARK}-there")) == f"network with name {MARK}-there already exists"
    )
    assert sentence(net.docker("network", "rm", f"{MARK}-bad")) == f"network {MARK}-bad not found"
    assert net.says("network", "ls", "-q", "--filter", f"name={MARK}-bad") == ""


def test_a_network_made_from_a_configuration(net: Networked) -> None:
    config, made = f"{MARK}-cfg", f"{MARK}-from"
    flags = ("--config-only", "--subnet", "10.79.0.0/24", "-o", "com.docker.network.driver.mtu=1400", "--label", "a=b")
    net.says("network", "create", *flags, config)
    (shown,) = json.loads(net.says("network", "inspect", config))
    assert (shown["ConfigOnly"], shown["Driver"]) == (True, "null")
    assert shown["IPAM"]["Config"] == [{"Subnet": "10.79.0.0/24"}]
    net.says("network", "create", "--config-from", config, made)
    (shown,) = json.loads(net.says("network", "inspect", made))
    assert (shown["ConfigFrom"], shown["ConfigOnly"]) == ({"Network": config}, False)
    assert (shown["Labels"], shown["Options"]["com.docker.network.driver.mtu"]) == ({"a": "b"}, "1400")
    assert shown["IPAM"]["Config"][0]["Subnet"] == "10.79.0.0/24"
    net.up("c", "--network", made)
    assert "mtu 1400" in net.inside("c", "ip link show eth0")
    for words, said in (
        (("--config-from", made, f"{MARK}-x"), f'configuration network "{made}" does not exist'),
        (("--config-from", config, "--label", "c=d", f"{MARK}-x"), "user specified configurations are not supported"),
        (("--config-only", "--internal", f"{MARK}-x"), "configuration network can only contain network specific"),
        (("--config-only", "--config-from", config, f"{MARK}-x"), "cannot depend on another configuration network"),
    ):
        assert said in net.docker("network", "create", *words).stderr, words
    assert f'configuration network "{config}" is in use' in net.docker("network", "rm", config).stderr
    done = net.docker("run", "--name", f"{MARK}-d", "--network", config, IMAGE, "true")
    assert sentence(done) == "cannot create endpoint on configuration-only network"
    net.says("rm", "-f", f"{MARK}-c")
    assert f"{MARK}-cfg" not in net.says("network", "prune", "-f", "--filter", "label=a=b")
    assert net.says("network", "rm", config) == config


NOT_STARTED = [
    (("--network", "SMALL", "--ip", "10.73.0.4"), 125, "Address already in use"),
    (("--network", "SMALL", "--ip", "10.73.0.1"), 125, "Address already in use"),
    (("--network", "SMALL", "--ip", "10.74.0.4"), 125,
     "Invalid address 10.74.0.4: It does not belong to any of this network's subnets"),
    (("--network", "SMALL", "--ip", "odd"), 125, "invalid IPv4 address: odd"),
    (("--network", "CHOSEN", "--ip", "10.73.0.5"), 125,
     "user specified IP address is supported only when connecting to networks with user configured subnets"),
    (("--ip", "172.17.0.99"), 125, "user specified IP address is supported on user defined networks only"),
    (("--network", f"{MARK}-nosuch"), 125, f"network {MARK}-nosuch not found"),
    (("-p", "28099:80"), 125, "Bind for 0.0.0.0:28099 failed: port is already allocated"),
]  # fmt: skip


def test_containers_that_are_not_started(net: Networked) -> None:
    """A taken address or port, an address that is not the network's, one more than there are: dockerd's sentences."""
    small, chosen = f"{MARK}-small", f"{MARK}-chosen"
    net.says("network", "create", "--subnet", "10.73.0.0/29", small)
    net.says("network", "create", chosen)
    net.up("first", "--network", small, "--ip", "10.73.0.4", "-p", "28099:80")
    for flags, code, said in NOT_STARTED:
        words = [word.replace("SMALL", small).replace("CHOSEN", chosen) for word in flags]
        done = net.docker("run", "-d", "--name", f"{MARK}-bad", *words, IMAGE, "sleep", "100")
        assert done.code == code and said in done.stderr, f"{flags}: {done}"
        net.docker("rm", f"{MARK}-bad")
    for number in range(4):
        net.up(f"fill{number}", "--network", small)
    done = net.docker("run", "-d", "--name", f"{MARK}-bad", "--network", small, IMAGE, "sleep", "100")
    assert done.code == 125 and "no available IPv4 addresses on this network's address pools" in done.stderr
    net.says("rm", "-f", f"{MARK}-fill0")
    assert net.says("start", f"{MARK}-bad")
    members = json.loads(net.says("network", "inspect", "--format", "{{json .Containers}}", small))
    assert len({member["IPv4Address"] for member in members.values()}) == len(members) == 5


def test_a_running_container_comes_to_networks_and_leaves_them(net: Networked) -> None:
    for which, subnet in (("one", "10.75.0.0/24"), ("two", "10.76.0.0/24")):
        net.says("network", "create", "--subnet", subnet, f"{MARK}-{which}")
    net.up("peer", "--network", f"{MARK}-two")
    container = net.up("c", "--network", f"{MARK}-one", "--ip", "10.75.0.7")
    assert "bad address" in net.inside("c", "ping -c1 -w2 " + f"{MARK}-peer")
    net.says("network", "connect", "--ip", "10.76.0.7", "--alias", "other", f"{MARK}-two", f"{MARK}-c")
    assert "eth1" in net.inside("c", "ip -o -4 addr") and "10.76.0.7/24" in net.inside("c", "ip -o -4 addr")
    assert "10.76.0.7\t" in net.inside("c", "cat /etc/hosts")
    assert "1 packets received" in net.inside("c", "ping -c1 -w4 " + f"{MARK}-peer")
    assert "10.76.0.7" in net.inside("peer", "nslookup other 127.0.0.11")
    settings = json.loads(net.says("inspect", "--format", "{{json .NetworkSettings.Networks}}", container))
    two = settings[f"{MARK}-two"]
    assert two["IPAMConfig"] == {"IPv4Address": "10.76.0.7"}
    assert two["Aliases"][0] == "other"
    assert (two["Gateway"], two["IPAddress"], two["IPPrefixLen"]) == ("10.76.0.1", "10.76.0.7", 24)
    again = net.docker("network", "connect", f"{MARK}-two", f"{MARK}-c")
    assert sentence(again) == f"endpoint with name {MARK}-c already exists in network {MARK}-two"
    net.says("network", "disconnect", f"{MARK}-one", f"{MARK}-c")
    assert "10.75.0.7" not in net.inside("c", "ip -o -4 addr")
    assert "default via 10.76.0.1" in net.inside("c", "ip route")
    net.says("network", "disconnect", f"{MARK}-two", f"{MARK}-c")
    assert "eth" not in net.inside("c", "ip -o -4 addr")
    done = net.docker("network", "disconnect", f"{MARK}-two", f"{MARK}-c")
    assert sentence(done) == f"container {container} is not connected to network {MARK}-two"
    net.says("network", "connect", f"{MARK}-one", f"{MARK}-c")
    net.says("restart", "-t", "0", f"{MARK}-c")
    assert "10.75.0." in net.inside("c", "ip -o -4 addr")


def test_what_cannot_be_connected(net: Networked) -> None:
    network = f"{MARK}-n"
    net.says("network", "create", network)
    net.up("host", "--network", "host")
    net.up("none", "--network", "none")
    net.up("plain", "--network", network)
    net.up("shared", "--network", f"container:{MARK}-plain")
    rows = [
        (("connect", network, f"{MARK}-none"), "container cannot be connected to multiple networks with one of the "
         "networks in private (none) mode"),
        (("connect", "none", f"{MARK}-plain"), "container cannot be connected to multiple networks with one of the "
         "networks in private (none) mode"),
        (("connect", "host", f"{MARK}-plain"), "container cannot be disconnected from host network or connected to "
         "host network"),
        (("disconnect", "host", f"{MARK}-host"), "container cannot be disconnected from host network or connected "
         "to host network"),
        (("connect", network, f"{MARK}-shared"), "container sharing network namespace with another container or host "
         "cannot be connected to any other network"),
        (("connect", network, f"{MARK}-host"), "container sharing network namespace with another container or host "
         "cannot be connected to any other network"),
        (("connect", network, f"{MARK}-nosuch"), f"No such container: {MARK}-nosuch"),
        (("connect", f"{MARK}-nosuch", f"{MARK}-plain"), f"network {MARK}-nosuch not found"),
        (("disconnect", "-f", network, f"{MARK}-nosuch"), f"endpoint {MARK}-nosuch not found"),
        (("connect", "--ip", "10.0.0.9", network, f"{MARK}-plain"), None),
    ]  # fmt: skip
    for words, said in rows:
        done = net.docker("network", *words)
        assert done.code == 1 and (said is None or sentence(done) == said), f"{words}: {done}"


def test_a_container_that_does_not_run_keeps_what_it_is_to_join(net: Networked) -> None:
    for which in ("one", "two"):
        net.says("network", "create", f"{MARK}-{which}")
    net.says("create", "--name", f"{MARK}-c", "--network", f"{MARK}-one", IMAGE, "sleep", "1000")
    net.says("network", "connect", "--alias", "later", f"{MARK}-two", f"{MARK}-c")
    net.says("network", "disconnect", f"{MARK}-one", f"{MARK}-c")
    shown = json.loads(net.says("inspect", "--format", "{{json .NetworkSettings.Networks}}", f"{MARK}-c"))
    assert list(shown) == [f"{MARK}-two"] and shown[f"{MARK}-two"]["IPAddress"] == ""
    net.says("start", f"{MARK}-c")
    assert f"{MARK}-c" in net.says("network", "inspect", f"{MARK}-two")
    assert "later" in net.says("inspect", f"{MARK}-c")


@pytest.mark.skipif(bool(OUTSIDE), reason="dockerd 20.10 takes one network at create")
def test_run_on_several_networks_with_options(net: Networked) -> None:
    for which, subnet in (("a", "10.77.0.0/24"), ("b", "10.78.0.0/24")):
        net.says("network", "create", "--subnet", subnet, f"{MARK}-{which}")
    flags = (
        "--network", f"name={MARK}-a,alias=one,ip=10.77.0.9",
        "--network", f"name={MARK}-b,alias=two,ip=10.78.0.9,gw-priority=1,mac-address=92:d0:c6:0a:29:33",
    )  # fmt: skip
    net.up("c", *flags)
    addresses = net.inside("c", "ip -o -4 addr")
    assert "10.77.0.9/24" in addresses and "10.78.0.9/24" in addresses
    assert "default via 10.78.0.1" in net.inside("c", "ip route"), "the higher priority leads outside"
    assert "92:d0:c6:0a:29:33" in net.inside("c", "ip link")
    shown = json.loads(net.says("inspect", "--format", "{{json .NetworkSettings.Networks}}", f"{MARK}-c"))
    assert shown[f"{MARK}-b"]["DNSNames"][:2] == [f"{MARK}-c", "two"]
    assert (shown[f"{MARK}-b"]["GwPriority"], shown[f"{MARK}-b"]["MacAddress"]) == (1, "92:d0:c6:0a:29:33")
    done = net.docker("run", "--rm", "--network", f"{MARK}-a", "--network", "host", IMAGE, "true")
    assert done.code == 125


def test_a_network_with_ipv6(net: Networked) -> None:
    network = f"{MARK}-six"
    net.says("network", "create", "--ipv6", "--subnet", "fd00:70::/64", "--subnet", "10.70.0.0/24", network)
    (shown,) = json.loads(net.says("network", "inspect", network))
    assert shown["EnableIPv6"] is True
    assert sorted(pool["Subnet"] for pool in shown["IPAM"]["Config"]) == ["10.70.0.0/24", "fd00:70::/64"]
    net.up("a", "--network", network, "--ip6", "fd00:70::77", "--ip", "10.70.0.77")
    net.up("b", "--network", network)
    settings = json.loads(net.says("inspect", "--format", "{{json .NetworkSettings.Networks}}", f"{MARK}-a"))[network]
    assert (settings["GlobalIPv6Address"], settings["GlobalIPv6PrefixLen"]) == ("fd00:70::77", 64)
    assert (settings["IPv6Gateway"], settings["IPAddress"]) == ("fd00:70::1", "10.70.0.77")
    assert settings["IPAMConfig"] == {"IPv4Address": "10.70.0.77", "IPv6Address": "fd00:70::77"}
    assert "fd00:70::77\t" in net.inside("a", "cat /etc/hosts")
    assert "fd00:70::77" in net.inside("b", f"nslookup -type=aaaa {MARK}-a 127.0.0.11")
    assert "1 packets received" in net.inside("b", f"ping -6 -c1 -w4 {MARK}-a")
    members = json.loads(net.says("network", "inspect", "--format", "{{json .Containers}}", network))
    assert "fd00:70::77/64" in {member["IPv6Address"] for member in members.values()}
    done = net.docker("run", "--rm", "--network", network, "--ip6", "fd00:70::77", IMAGE, "true")
    assert "Address already in use" in done.stderr


def test_ports_are_told_by_ps_port_and_inspect(net: Networked) -> None:
    net.up("c", "-p", "28081:80", "-p", "127.0.0.1:28082:81/udp", "-p", "127.0.0.1::82", "--expose", "70")
    assert net.says("port", f"{MARK}-c", "80").split("\n")[0] == "0.0.0.0:28081"
    assert net.says("port", f"{MARK}-c", "81/udp") == "127.0.0.1:28082"
    chosen = net.says("port", f"{MARK}-c", "82")
    assert re.fullmatch(r"127\.0\.0\.1:\d{5}", chosen)
    shown = net.says("ps", "--filter", f"name={MARK}-c", "--format", "{{.Ports}}")
    parts = set(shown.split(", "))
    assert {"70/tcp", "0.0.0.0:28081->80/tcp", "127.0.0.1:28082->81/udp", f"{chosen}->82/tcp"} <= parts
    for found, flag in (
        (True, "publish=28081"), (True, "publish=28000-29000/tcp"), (True, "publish=28082/udp"),
        (False, "publish=80"), (False, "publish=28082/tcp"), (True, "expose=70"), (True, "expose=80"),
        (True, "expose=80-90/udp"), (False, "expose=90"),
    ):  # fmt: skip
        assert bool(net.says("ps", "-q", "--filter", f"name={MARK}-c", "--filter", flag)) == found, flag
    ports = json.loads(net.says("inspect", "--format", "{{json .NetworkSettings.Ports}}", f"{MARK}-c"))
    assert list(ports) == ["70/tcp", "80/tcp", "81/udp", "82/tcp"]
    assert ports["70/tcp"] is None
    assert ports["80/tcp"][0] == {"HostIp": "0.0.0.0", "HostPort": "28081"}
    asked = json.loads(net.says("inspect", "--format", "{{json .HostConfig.PortBindings}}", f"{MARK}-c"))
    assert asked["82/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": ""}]
    net.says("stop", "-t", "0", f"{MARK}-c")
    assert net.says("inspect", "--format", "{{json .NetworkSettings.Ports}}", f"{MARK}-c") == "{}"
    assert net.says("ps", "-a", "--filter", f"name={MARK}-c", "--format", "{{.Ports}}") == ""


def test_what_is_exposed_is_not_told_where_there_is_no_interface(net: Networked) -> None:
    for network in ("none", "host"):
        net.up(network, "--network", network, "--expose", "80")
        assert net.says("inspect", "--format", "{{json .NetworkSettings.Ports}}", f"{MARK}-{network}") == "{}"
        assert net.says("ps", "--filter", f"name={MARK}-{network}", "--format", "{{.Ports}}") == ""


def test_all_exposed_ports_are_published_on_request(net: Networked) -> None:
    net.up(
        "c",
        "-P",
        "--expose",
        "80",
        "--expose",
        "53/udp",
        "--expose",
        "9000-9001",
        command=("nc", "-ll", "-p", "80", "-e", "echo", "hi"),
    )
    ports = json.loads(net.says("inspect", "--format", "{{json .NetworkSettings.Ports}}", f"{MARK}-c"))
    assert sorted(ports) == ["53/udp", "80/tcp", "9000/tcp", "9001/tcp"]
    assert all(places and int(places[0]["HostPort"]) > 1024 for places in ports.values())
    assert eventually(lambda: net.reads("127.0.0.1", int(ports["80/tcp"][0]["HostPort"])) == b"hi\n")


@pytest.mark.skipif(bool(OUTSIDE), reason="dockerd has no such thing")
def test_published_ports_change_while_a_container_runs(net: Networked) -> None:
    net.up("c", "-p", "28083:80", command=("nc", "-ll", "-p", "80", "-e", "echo", "hi"))
    assert eventually(lambda: net.reads("127.0.0.1", 28083) == b"hi\n")
    done = net.sampan("port", "publish", f"{MARK}-c", "127.0.0.1:28084:80")
    assert done.code == 0 and "80/tcp -> 127.0.0.1:28084" in done.stdout, done
    assert eventually(lambda: net.reads("127.0.0.1", 28084) == b"hi\n")
    done = net.sampan("port", "unpublish", f"{MARK}-c", "28083:80")
    assert done.code == 0, done
    assert net.reads("127.0.0.1", 28083) is None
    assert eventually(lambda: net.reads("127.0.0.1", 28084) == b"hi\n")
    net.says("restart", "-t", "0", f"{MARK}-c")
    assert net.reads("127.0.0.1", 28083) is None
    assert net.says("port", f"{MARK}-c") == "80/tcp -> 127.0.0.1:28084"
    done = net.sampan("port", "unpublish", f"{MARK}-c", "81")
    assert done.code == 1 and "port 81/tcp is not published" in done.stderr
    assert net.sampan("port", "unpublish", f"{MARK}-c", "80").stdout == ""
    assert net.says("port", f"{MARK}-c") == ""


def test_events_tell_of_networks(net: Networked) -> None:
    network = f"{MARK}-told"
    network_id = net.says("network", "create", network)
    container = net.up("c", "--network", network)
    net.says("network", "disconnect", network, f"{MARK}-c")
    net.says("network", "connect", network, f"{MARK}-c")
    net.says("rm", "-f", f"{MARK}-c")
    net.says("network", "rm", network)
    lines = net.says(
        "events",
        "--since",
        "60s",
        "--until",
        str(int(time.time()) + 1),  # "0s" would be the last whole second
        "--filter",
        f"network={network}",
        "--filter",
        "type=network",
        "--format",
        "{{json .}}",
    )
    events = [json.loads(line) for line in lines.splitlines()]
    # dockerd 20.10 tells of a disconnect twice.
    assert [action for action, _ in groupby(event["Action"] for event in events)] == [
        "create", "connect", "disconnect", "connect", "disconnect", "destroy",
    ]  # fmt: skip
    assert {event["Actor"]["ID"] for event in events} == {network_id}
    assert events[1]["Actor"]["Attributes"] == {"container": container, "name": network, "type": "bridge"}
