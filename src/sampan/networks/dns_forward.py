"""Who is asked about a name that no container has?

The servers of --dns, or the host's own, in turn, from inside the container's network namespace: what the container
could not reach itself is not reached for it. Only a host's server on a loopback address is asked from the host, which
is the only place where it is. A container whose networks are all internal has nobody asked for it (CVE-2024-29018).

Each question goes out from a socket of its own, on a port that the kernel picks at random, connected to the server, and
with a random id: only an answer to exactly this question, from that server, is taken (RFC 5452, 9). Questions go on as
they came, EDNS included; a truncated answer comes back truncated, and the client asks again over TCP, as do we then.
"""

import asyncio
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from sampan.networks.dns_answer import HEADER, question_end
from sampan.networks.within import Inside

TIMEOUT_SECONDS = 4.0
MOST_SERVERS = 3  # MAXNS of resolv.conf(5)
MOST_IN_FLIGHT = 512
MOST_REPLY = 65535
TRY_THE_NEXT = (2, 5)  # SERVFAIL, REFUSED


@dataclass(frozen=True, slots=True)
class Server:
    """A name server. `from_host`: asked from the host's network namespace."""

    address: str
    from_host: bool = False
    port: int = 53


class Forwarder:
    """Asks for one container. `namespace` is its network namespace, open; it stays the caller's."""

    def __init__(self, inside: Inside, namespace: int, servers: Sequence[Server]) -> None:
        self._inside = inside
        self._namespace = namespace
        self._servers = tuple(servers)[:MOST_SERVERS]
        self._in_flight = 0
        self.enabled = True

    async def ask(self, query: bytes, *, over_tcp: bool = False) -> bytes | None:
        """The first useful answer, with the query's own id; None when there is none to be had in time."""
        if not self.enabled or self._in_flight >= MOST_IN_FLIGHT:
            return None
        self._in_flight += 1
        try:
            return await self._ask_in_turn(query, over_tcp)
        finally:
            self._in_flight -= 1

    async def _ask_in_turn(self, query: bytes, over_tcp: bool) -> bytes | None:
        failure = None
        for server in self._servers:
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    reply = await self._ask_one(server, query, over_tcp)
            except (TimeoutError, OSError, EOFError):
                continue
            reply = query[:2] + reply[2:]
            if reply[3] & 0x0F not in TRY_THE_NEXT:
                return reply
            failure = reply
        return failure

    async def _ask_one(self, server: Server, query: bytes, over_tcp: bool) -> bytes:
        kind = socket.SOCK_STREAM if over_tcp else socket.SOCK_DGRAM
        make = partial(_connected, server, kind)
        sock = make() if server.from_host else await self._inside.do(self._namespace, make)
        number = secrets.token_bytes(2)
        with sock:
            if over_tcp:
                return await _over_tcp(sock, number + query[2:])
            return await _over_udp(sock, number + query[2:])


def _connected(server: Server, kind: socket.SocketKind) -> socket.socket:
    """A socket to the server; a stream may still be connecting. Raises OSError when there is no way to it."""
    host = ip_address(server.address)
    family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.connect((server.address, server.port))
    except BlockingIOError:
        pass
    except OSError:
        sock.close()
        raise
    return sock


async def _over_udp(sock: socket.socket, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, query)
    while True:
        reply = await loop.sock_recv(sock, MOST_REPLY)
        if _answers(query, reply):
            return reply


async def _over_tcp(sock: socket.socket, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, len(query).to_bytes(2, "big") + query)
    length = int.from_bytes(await _exactly(sock, 2), "big")
    reply = await _exactly(sock, length)
    if not _answers(query, reply):
        raise EOFError
    return reply


async def _exactly(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < count:
        part = await loop.sock_recv(sock, count - len(received))
        if not part:
            raise EOFError
        received += part
    return received


def _answers(query: bytes, reply: bytes) -> bool:
    """Whether a message is the answer to this very question."""
    if len(reply) < HEADER or reply[:2] != query[:2] or not reply[2] & 0x80:
        return False
    end = question_end(query)
    asked, repeated = query[HEADER:end].lower(), reply[HEADER:end].lower()
    # A server that could not read the question may leave it out of its error.
    return asked == repeated or (len(reply) == HEADER and bool(reply[3] & 0x0F))


def servers_of_host(addresses: Sequence[str]) -> list[Server]:
    """The host's own servers; those on its loopback can be asked from there only."""
    return [Server(address, from_host=ip_address(address.partition("%")[0]).is_loopback) for address in addresses]
