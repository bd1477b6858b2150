"""Does exactly that connect which docs/networks.md says? Its tables are read here, and every cell is tried."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dns.message
import pytest

from kernel.neighbourhood import HOST, NEIGHBOUR, NEIGHBOUR6, Neighbourhood, Server, dial, do

pytestmark = pytest.mark.needs_root
DOCS = Path(__file__).resolve().parents[2] / "docs" / "networks.md"
NETWORKS = {
    "plain": ("--subnet", "10.81.0.0/24"),
    "internal": ("--subnet", "10.82.0.0/24", "--internal"),
    "no-icc": ("--subnet", "10.83.0.0/24", "-o", "com.docker.network.bridge.enable_icc=false"),
    "ipv6": ("--subnet", "10.84.0.0/24", "--ipv6", "--subnet", "fd00:84::/64"),
}
PORTS = {"plain": 8081, "internal": 8082, "no-icc": 8083, "ipv6": 8084}
ONLY_LOCAL, ON_LOOPBACK = 8089, 8090
Cell = tuple[str, str]  # from, to


def tables() -> dict[Cell, bool]:
    """(from, to) → whether the docs say that it connects; a cell with a dash is not claimed."""
    found: dict[Cell, bool] = {}
    header: list[str] = []
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif cells[0] == "from":
            header = cells[1:]
        elif header and not set(line) <= set("|-: "):
            found |= {(cells[0], to): said == "yes" for to, said in zip(header, cells[1:], strict=True) if said != "–"}
    return found


@pytest.fixture(scope="module")
def made(networked: Neighbourhood) -> Iterator[Neighbourhood]:
    """Two containers on each of the four networks, one of which publishes its port; servers everywhere."""
    for network, flags in NETWORKS.items():
        networked.docker("network", "create", *flags, network)
        networked.serve(f"to-{network}", "--network", network, "-p", f"{PORTS[network]}:80")
        networked.serve(f"from-{network}", "--network", network)
    networked.serve("local", "--network", "plain", "-p", f"127.0.0.1:{ONLY_LOCAL}:80")
    networked.servers.append(Server(networked.host, "host", 90))
    networked.servers.append(Server(networked.neighbour, "neighbour", 90))
    yield networked
    networked.clear()


def place_of(made: Neighbourhood, name: str) -> int:
    """The namespace of a row."""
    return {"host": made.host, "neighbour": made.neighbour}.get(name) or made.namespace(f"from-{name}")


def target_of(made: Neighbourhood, to: str, origin: str) -> tuple[str, int]:
    """The address and port that a column stands for."""
    kind, _, which = to.partition(" ")
    if kind == "container":
        return made.address(f"to-{which}"), 80
    if kind == "container6":
        return made.address6(f"to-{which}"), 80
    if kind == "published":
        return (HOST, PORTS[which]) if which in PORTS else ("127.0.0.1" if origin == "host" else HOST, ONLY_LOCAL)
    gateways = {"host": HOST, "neighbour": HOST} | {
        name: made.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", name) for name in NETWORKS
    }
    return {
        "host": (gateways[origin], 90),
        "neighbour": (NEIGHBOUR, 90),
        "neighbour6": (NEIGHBOUR6, 90),
    }[kind]


def resolves(place: int, name: str) -> bool:
    """Whether 127.0.0.11 has an address for a name."""

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(8)
            sock.connect(("127.0.0.11", 53))
            sock.send(dns.message.make_query(name, "A").to_wire())
            return sock.recv(512)

    return bool(dns.message.from_wire(do(place, ask)).answer)


def test_what_connects_is_what_the_table_says(made: Neighbourhood) -> None:
    said = tables()
    assert len(said) > 80, "the tables were not read"
    names = {cell: said.pop(cell) for cell in list(said) if cell[1].startswith("name ")}
    places = {origin: place_of(made, origin) for origin, _ in said}
    targets = {cell: target_of(made, cell[1], cell[0]) for cell in said}
    answers = made.answers(*((places[origin], *targets[origin, to]) for origin, to in said))
    found = {cell: bool(answer) for cell, answer in zip(said, answers, strict=True)}
    with ThreadPoolExecutor(16) as pool:  # a name of nobody's is asked of the host's server, which is not there
        asked = [(places[origin], f"to-{to.removeprefix('name ')}") for origin, to in names]
        found |= dict(zip(names, pool.map(lambda one: resolves(*one), asked), strict=True))
    said |= names
    assert {cell: found[cell] for cell in said if found[cell] != said[cell]} == {}
    assert dial(places["plain"], "127.0.0.1", 90) == "", "a container's loopback is its own"
