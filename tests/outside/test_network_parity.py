"""Does `sampan` say what `docker` says about networks and ports? Each row is typed at both, on the same engine."""

import re

from networked import MARK, Networked
from test_cli_parity import sense, typed

# As in test_cli_parity.py: NAME differs between the two, NET is a network that both have, the last line counts.
ROWS = [
    "network create NAME",
    "network create --subnet 10.91.0.0/33 NAME",
    "network create --gateway 10.91.0.1 NAME",
    "network create -d nosuch NAME",
    "network create bridge",
    "network create",
    "network ls --filter name=NET --format '{{.Name}} {{.Driver}} {{.Scope}} {{.IPv4}} {{.IPv6}} {{.Internal}}'",
    "network ls --filter name=NET --no-trunc -q",
    "network ls --filter driver=nosuch",
    "network ls --filter bogus=1",
    "network inspect -f '{{.Name}} {{.Driver}} {{json .Options}} {{(index .IPAM.Config 0).Subnet}}' NET",
    "network inspect NET",
    "network inspect -v NET",
    "network inspect NAME-none NET",
    "network rm NAME-none",
    "network rm -f NAME-none",
    "network rm host",
    "network create NAME\nnetwork rm NAME",
    "network create NAME\nnetwork remove NAME",
    "network prune -f --filter label=NAME-none",
    "network prune --filter label=NAME-none",
    "network prune -f --filter bogus=1",
    "network connect NET NAME-none",
    "network connect NAME-none NAME-none",
    "network connect NET",
    "network disconnect NET NAME-none",
    "network disconnect -f NET NAME-none",
    "network bogus",
    "network create --label NAME NAME\nnetwork prune -f --filter label=NAME",
    "create --name NAME --network none IMAGE true\nnetwork connect NET NAME",
    "create --name NAME --network NET IMAGE true\nnetwork connect --alias a --ip 10.90.0.77 NET NAME",
    "create --name NAME --network NET IMAGE true\nnetwork disconnect NET NAME",
    "create --name NAME --network NET IMAGE true\nnetwork disconnect NET NAME\nnetwork disconnect NET NAME",
    "create --name NAME --network NET --network-alias x IMAGE true\n"
    "inspect -f '{{json (index .NetworkSettings.Networks \"NET\").Aliases}} {{.HostConfig.NetworkMode}}' NAME",
    "run -d --name NAME -p 127.0.0.1::80 --expose 90 IMAGE sleep 100\nps --filter name=NAME --format '{{.Ports}}'",
    "run -d --name NAME -p 127.0.0.1::80 IMAGE sleep 100\nport NAME",
    "run -d --name NAME -p 127.0.0.1::80 IMAGE sleep 100\nport NAME 80/tcp",
    "run -d --name NAME -p 127.0.0.1::80 IMAGE sleep 100\nport NAME 81",
    "run -d --name NAME -p 127.0.0.1::80 IMAGE sleep 100\ninspect -f '{{len .NetworkSettings.Ports}}' NAME",
    "run --rm --network NET --ip 10.90.0.200 -h box IMAGE sh -c 'ip -o -4 addr show eth0; tail -1 /etc/hosts'",
    "run --rm --network NET --ip 10.99.0.200 IMAGE true",
    "run --rm --network NET --ip odd IMAGE true",
    "run --rm --network NET --mac-address odd IMAGE true",
    "run --rm --network NET --mac-address 02:42:0a:5a:00:99 IMAGE cat /sys/class/net/eth0/address",
    "run --rm --network NAME-none IMAGE true",
    "run --rm --network NET --dns 10.9.9.9 --dns-search x.y --dns-option ndots:2 IMAGE cat /etc/resolv.conf",
    "run --rm --dns 10.9.9.9 IMAGE cat /etc/resolv.conf",
    "run --rm --add-host a:1.2.3.4 IMAGE grep -w a /etc/hosts",
    "run --rm --link NAME-none IMAGE true",
]  # fmt: skip


def test_the_same_is_said_about_networks(net: Networked) -> None:
    network = f"{MARK}-net"
    net.says("network", "create", "--subnet", "10.90.0.0/24", "--label", "x=y", network)
    wrong = []
    for number, row in enumerate(ROWS):
        pair = []
        for program in ("docker", "sampan"):
            result = typed(net.client, program, row.replace("NET", network), f"{MARK}-p{number}")
            # A port that the engine has picked, an address as it comes.
            out = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:PORT", result.stdout)
            pair.append((result.code, re.sub(r"^\d+: ", "N: ", out), result.stderr))
            net.docker("rm", "-f", f"{MARK}-p{number}-{program[0]}")
        wanted, got = pair
        said = re.sub(r"[.'\"]", "", got[2]).lower()
        if got[:2] != wanted[:2] or bool(got[2]) != bool(wanted[2]) or sense(wanted[2]) not in said:
            wrong.append(f"{row}\n  docker: {wanted}\n  sampan: {got}")
    assert not wrong, "\n".join(wrong)
