"""Does 127.0.0.11 answer inside a network namespace, over UDP and TCP, and ask the right servers about the rest?

Each test has a namespace of its own, and in it everything: the resolver's sockets, the server asked, the client.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import pytest

from sampan.linux import netns
from sampan.linux.netdevice import set_up
from sampan.networks.dns_forward import Server
from sampan.networks.dns_zone import Entry, Seat
from sampan.networks.resolvers import Asks, Resolvers

pytestmark = pytest.mark.needs_root
SEATS = (Seat(network_id="n", network_name="front"),)
WAIT = 8.0
Reply = Callable[[bytes], bytes]


def answering(record: str, *, tc: bool = False, rcode: int = 0) -> Reply:
    """A server's way to reply: always this record."""

    def reply(query: bytes) -> bytes:
        asked = dns.message.from_wire(query)
        made = dns.message.make_response(asked)
        made.set_rcode(rcode)  # type: ignore[arg-type]
        if tc:
            made.flags |= dns.flags.TC
        elif not rcode:
            made.answer = [dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", record)]
        return made.to_wire()

    return reply


class Upstream:
    """A server somewhere in the namespace: it counts what it was asked, and replies as it is told."""

    def __init__(self, namespace: int, address: str, reply: Reply, over_tcp: Reply | None = None) -> None:
        self.asked: list[tuple[int, int]] = []  # id and source port
        self._reply, self._over_tcp = reply, over_tcp
        self._udp = netns.inside(namespace, lambda: bound(socket.SOCK_DGRAM, address))
        self._tcp = netns.inside(namespace, lambda: bound(socket.SOCK_STREAM, address))
        self._tcp.listen()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._udp.fileno(), self._readable)
        self._serving = loop.create_task(self._serve())

    def _readable(self) -> None:
        query, client = self._udp.recvfrom(4096)
        self.asked.append((int.from_bytes(query[:2], "big"), client[1]))
        forged = b"\0\0" + answering("203.0.113.66")(query)[2:]  # by somebody who has to guess the id
        self._udp.sendto(forged, client)
        self._udp.sendto(self._reply(query), client)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._tcp)
            with connection:
                query = (await loop.sock_recv(connection, 4096))[2:]
                answer = (self._over_tcp or self._reply)(query)
                await loop.sock_sendall(connection, len(answer).to_bytes(2, "big") + answer)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._udp.fileno())
        self._serving.cancel()
        self._udp.close()
        self._tcp.close()


def bound(kind: socket.SocketKind, address: str) -> socket.socket:
    """A socket of the calling thread's namespace, bound to port 53 of an address of its loopback device."""
    sock = socket.socket(socket.AF_INET, kind)
    sock.setblocking(False)
    sock.bind((address, 53))
    return sock


@asynccontextmanager
async def namespace() -> AsyncIterator[tuple[int, str]]:
    """A network namespace with its loopback device up: descriptor and path."""
    fd = await asyncio.to_thread(netns.make, lambda: set_up("lo"))
    try:
        yield fd, f"/proc/{os.getpid()}/fd/{fd}"
    finally:
        os.close(fd)


async def ask(fd: int, name: str, kind: str = "A", *, tcp: bool = False, **options: int) -> dns.message.Message:
    """What 127.0.0.11 says inside the namespace."""
    query = dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]
    sock = netns.inside(fd, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM))
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    wire = query.to_wire()
    with sock:
        async with asyncio.timeout(WAIT):
            await loop.sock_connect(sock, ("127.0.0.11", 53))
            await loop.sock_sendall(sock, len(wire).to_bytes(2, "big") + wire if tcp else wire)
            received = await loop.sock_recv(sock, 65535)
            while tcp and len(received) < 2 + int.from_bytes(received[:2], "big"):
                received += await loop.sock_recv(sock, 65535)
    reply = dns.message.from_wire(received[2:] if tcp else received)
    assert query.is_response(reply)
    return reply


def addresses(reply: dns.message.Message) -> list[str]:
    return [item.to_text() for record in reply.answer for item in record]


def named(resolvers: Resolvers) -> None:
    entry = Entry(endpoint_id="e", names=("web", "shop"), addresses=("10.1.0.2", "fd00::2"))
    resolvers.announce("container", "n", entry)


async def test_names_are_answered_over_udp_and_tcp() -> None:
    async with namespace() as (fd, path):
        resolvers = Resolvers()
        named(resolvers)
        await resolvers.open("c", path, Asks(SEATS))
        assert addresses(await ask(fd, "web")) == ["10.1.0.2"]
        assert addresses(await ask(fd, "SHOP.front", "AAAA", tcp=True)) == ["fd00::2"]
        assert (await ask(fd, "example.org")).rcode() == dns.rcode.SERVFAIL, "there is nobody to ask"
        resolvers.withdraw("container")
        assert (await ask(fd, "web")).rcode() == dns.rcode.SERVFAIL
        resolvers.close_all()
        with pytest.raises(ConnectionRefusedError):
            await ask(fd, "web", tcp=True)


async def test_other_names_are_asked_of_the_servers_in_turn() -> None:
    """H15: from a socket of its own each, with an id and a port that cannot be guessed; a guesser is not believed."""
    async with namespace() as (fd, path):
        refuses = Upstream(fd, "127.0.0.20", answering("", rcode=dns.rcode.REFUSED))
        knows = Upstream(fd, "127.0.0.21", answering("192.0.2.1"))
        resolvers = Resolvers()
        servers = [Server("127.0.0.19"), Server("127.0.0.20"), Server("127.0.0.21")]  # the first does not exist
        await resolvers.open("c", path, Asks(SEATS, servers))
        for _ in range(12):
            assert addresses(await ask(fd, "example.org")) == ["192.0.2.1"]
        assert len(refuses.asked) == len(knows.asked) == 12
        assert len({number for number, _ in knows.asked}) > 10, "ids repeat"
        assert len({port for _, port in knows.asked}) > 10, "ports repeat"
        resolvers.close_all()
        refuses.close()
        knows.close()


async def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    async with namespace() as (fd, path):
        upstream = Upstream(fd, "127.0.0.20", answering("", tc=True), answering("192.0.2.2"))
        resolvers = Resolvers()
        await resolvers.open("c", path, Asks(SEATS, [Server("127.0.0.20")]))
        assert (await ask(fd, "example.org")).flags & dns.flags.TC
        assert addresses(await ask(fd, "example.org", tcp=True)) == ["192.0.2.2"]
        resolvers.close_all()
        upstream.close()


async def test_nobody_outside_is_asked_for_a_container_on_internal_networks_only() -> None:
    """H05 (CVE-2024-29018)."""
    async with namespace() as (fd, path):
        sentinel = Upstream(fd, "127.0.0.20", answering("192.0.2.3"))
        resolvers = Resolvers()
        named(resolvers)
        internal = Seat(network_id="n", network_name="front", internal=True)
        await resolvers.open("c", path, Asks([internal], [Server("127.0.0.20")]))
        assert addresses(await ask(fd, "web")) == ["10.1.0.2"]
        assert (await ask(fd, "secret.example.org")).rcode() == dns.rcode.SERVFAIL
        assert (await ask(fd, "secret.example.org", tcp=True)).rcode() == dns.rcode.SERVFAIL
        assert sentinel.asked == []
        resolvers.sit("c", [internal, Seat(network_id="m", network_name="open")])
        assert addresses(await ask(fd, "example.org")) == ["192.0.2.3"]
        resolvers.close_all()
        sentinel.close()


async def test_questions_that_come_while_nobody_answers_wait_for_the_next_resolver() -> None:
    async with namespace() as (fd, path):
        first = Resolvers()
        await first.open("c", path, Asks(SEATS))
        kept = [os.dup(each) for each in first.fds("c")]
        first.close_all()
        waiting = [asyncio.create_task(ask(fd, "web", tcp=number % 2 == 0)) for number in range(40)]
        await asyncio.sleep(0)
        second = Resolvers()
        named(second)
        second.take_up("c", path, kept, Asks(SEATS))
        for reply in await asyncio.gather(*waiting):
            assert addresses(reply) == ["10.1.0.2"]
        second.close_all()


async def test_a_flood_from_one_container_leaves_the_others_their_turn() -> None:
    """H15: what one container sends without end is read in turns; another's question does not wait for it."""
    async with namespace() as (fd, path), namespace() as (other_fd, other_path):
        resolvers = Resolvers()
        named(resolvers)
        await resolvers.open("c", path, Asks(SEATS))
        await resolvers.open("d", other_path, Asks(SEATS))
        flood = netns.inside(fd, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        query = dns.message.make_query("web", "A").to_wire()
        with flood:
            for _ in range(3000):
                flood.sendto(query, ("127.0.0.11", 53))
            before = asyncio.get_running_loop().time()
            assert addresses(await ask(other_fd, "web")) == ["10.1.0.2"]
            assert asyncio.get_running_loop().time() - before < 2
        resolvers.close_all()


async def test_a_container_may_serve_names_itself() -> None:
    """Port 53 of every address is free for a name server inside, and 127.0.0.11 answers beside it."""
    async with namespace() as (fd, path):
        resolvers = Resolvers()
        named(resolvers)
        await resolvers.open("c", path, Asks(SEATS))
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with netns.inside(fd, lambda kind=kind: bound(kind, "0.0.0.0")):  # type: ignore[misc]
                assert addresses(await ask(fd, "web")) == ["10.1.0.2"]
                assert addresses(await ask(fd, "web", tcp=True)) == ["10.1.0.2"]
        resolvers.close_all()
