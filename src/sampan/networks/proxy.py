"""What serves published ports that the packet filter cannot translate?

The kernel never routes ::1 to another machine, and has no translation from IPv6 to IPv4: for these, and for ports that
the host's own firewall is to judge, the engine accepts connections itself and passes them on. TCP and UDP; both sides
are read only as fast as the other takes it.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sampan.networks.model import PublishedPort
from sampan.networks.ports import Ports

CHUNK = 64 << 10
MOST_CONNECTIONS = 4096
MOST_CLIENTS = 1024
IDLE_SECONDS = 90
BACKLOG = 1024

log = logging.getLogger(__name__)

Served = tuple[PublishedPort, str]


class Proxies:
    """The ports that are served here, by endpoint."""

    def __init__(self, ports: Ports, *, active: bool = True) -> None:
        """`ports` holds the sockets. Not `active`: nothing is served (dockerd's --userland-proxy=false)."""
        self._ports = ports
        self._active = active
        self._served: dict[str, dict[Served, _Tcp | _Udp]] = {}

    async def serve(self, endpoint_id: str, wanted: Sequence[Served]) -> None:
        """Let an endpoint have exactly these ports served: each with the address it leads to."""
        if not self._active or (not wanted and endpoint_id not in self._served):
            return
        served = self._served.setdefault(endpoint_id, {})
        for key in [key for key in served if key not in wanted]:
            served.pop(key).close()
        for key in wanted:
            if key not in served and key[0].protocol in ("tcp", "udp"):
                held = self._ports.socket_of(key[0])
                if held is None:
                    continue
                try:
                    bound = held.dup()
                    bound.setblocking(False)
                    # Connections inherit it: closed ones must not keep the port from the next container.
                    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, key[0].protocol == "tcp")
                    served[key] = await (_Tcp if key[0].protocol == "tcp" else _Udp).open(bound, *key)
                except OSError as error:
                    log.warning("port not served port=%s error=%s", key[0], error)
        if not served:
            del self._served[endpoint_id]

    def close(self) -> None:
        """Stop serving everything."""
        for served in self._served.values():
            for each in served.values():
                each.close()
        self._served.clear()


@dataclass(slots=True)
class _Tcp:
    server: asyncio.Server
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    async def open(cls, bound: socket.socket, port: PublishedPort, address: str) -> "_Tcp":
        tasks: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None or len(tasks) >= MOST_CONNECTIONS:
                writer.close()
                return
            tasks.add(task)
            try:
                await _pass_on(reader, writer, address, port.container_port)
            finally:
                tasks.discard(task)

        server = await asyncio.start_server(accepted, sock=bound, limit=CHUNK, backlog=BACKLOG)
        return cls(server, tasks)

    def close(self) -> None:
        self.server.close()
        for task in tuple(self.tasks):
            task.cancel()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, number: int) -> None:
    try:
        their_reader, their_writer = await asyncio.open_connection(address, number, limit=CHUNK)
    except OSError:
        writer.transport.abort()  # the client sees a reset, as it would from a closed port
        return
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(reader, their_writer))
            both.create_task(_copy(their_reader, writer))
    except* OSError:
        writer.transport.abort()
        their_writer.transport.abort()
    finally:
        writer.close()
        their_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


class _Udp(asyncio.DatagramProtocol):
    """One socket outside, and one inside for each client, until it has been silent for a while."""

    def __init__(self, address: str, number: int) -> None:
        self._target = (address, number)
        self._clients: dict[tuple[str, int], _Client] = {}
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, bound: socket.socket, port: PublishedPort, address: str) -> "_Udp":
        loop = asyncio.get_running_loop()
        _, made = await loop.create_datagram_endpoint(lambda: cls(address, port.container_port), sock=bound)
        return made

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        client = self._clients.get(addr)
        if client is None:
            self._drop_idle()
            if len(self._clients) >= MOST_CLIENTS:
                return
            client = self._clients[addr] = _Client(self, addr)
            client.opening = asyncio.ensure_future(client.open(self._target))
        client.send(data)

    def answer(self, data: bytes, addr: tuple[str, int]) -> None:
        """What the container says goes back to that client."""
        if self._transport is not None:
            self._transport.sendto(data, addr)

    def _drop_idle(self) -> None:
        limit = time.monotonic() - IDLE_SECONDS
        for addr in [addr for addr, client in self._clients.items() if client.seen < limit]:
            self._clients.pop(addr).close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        for client in self._clients.values():
            client.close()


class _Client(asyncio.DatagramProtocol):
    def __init__(self, owner: _Udp, addr: tuple[str, int]) -> None:
        self._owner = owner
        self._addr = addr
        self._waiting: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self.seen = time.monotonic()
        self.opening: asyncio.Future[None] | None = None

    async def open(self, target: tuple[str, int]) -> None:
        """Have a socket of its own, so that answers find their way back."""
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=target)
        except OSError as error:
            log.debug("no way to %s: %s", target, error)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        for data in self._waiting:
            transport.sendto(data)
        self._waiting.clear()

    def send(self, data: bytes) -> None:
        self.seen = time.monotonic()
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._waiting) < 16:
            self._waiting.append(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.seen = time.monotonic()
        self._owner.answer(data, self._addr)

    def error_received(self, exc: Exception) -> None:
        """The container does not listen there: the client hears nothing, as with any lost datagram."""

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
