"""How is 127.0.0.11 served to one container?

On two sockets inside the container's network namespace, to which `dns_redirect.py` leads port 53, and whose copies the
container's shim keeps: what is asked while no daemon runs waits in them, and the next daemon answers it. A container
that asks without end is read in turns with everything else that the daemon does, and has a bounded number of
connections and of questions under way.
"""

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Any

from sampan.networks.dns_answer import PLAIN_UDP, Answers, datagram_limit, server_failure, truncated
from sampan.networks.dns_forward import Forwarder
from sampan.networks.dns_redirect import redirect

ADDRESS = "127.0.0.11"
PORT = 53
AT_ONCE = 32  # datagrams read before everybody else has a turn
MOST_QUERY = 4096
MOST_CONNECTIONS = 64
IDLE_SECONDS = 10.0
BACKLOG = 128
SO_RCVBUFFORCE = 33  # socket(7): beyond net.core.rmem_max, which Python has no name for
WAITING_BYTES = 4 << 20  # what may wait to be answered while a daemon is replaced

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sockets:
    """The two ends on which a container's questions arrive."""

    udp: socket.socket
    tcp: socket.socket

    def close(self) -> None:
        """Close this process's copies."""
        self.udp.close()
        self.tcp.close()


class Resolver:
    """The resolver of one container."""

    def __init__(self, sockets: Sockets, answers: Answers, forwarder: Forwarder) -> None:
        self.sockets = sockets
        self.answers = answers
        self.forwarder = forwarder
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._connections = 0
        for sock in (sockets.udp, sockets.tcp):
            sock.setblocking(False)
        self._loop.add_reader(sockets.udp.fileno(), self._readable)
        self._loop.add_reader(sockets.tcp.fileno(), self._acceptable)

    def close(self) -> None:
        """Stop answering. Copies of the sockets that others hold stay open."""
        self._loop.remove_reader(self.sockets.udp.fileno())
        self._loop.remove_reader(self.sockets.tcp.fileno())
        self.sockets.close()
        for task in tuple(self._tasks):
            task.cancel()

    def _readable(self) -> None:
        for _ in range(AT_ONCE):
            try:
                query, client = self.sockets.udp.recvfrom(MOST_QUERY)
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("resolver read failed error=%s", error)
                return
            answer = self.answers.answer(query)
            if answer is None:
                self._spawn(self._forward(query, client))
            elif answer:
                self._send(answer, client)

    def _send(self, answer: bytes, client: Any) -> None:
        try:
            self.sockets.udp.sendto(answer, client)
        except OSError as error:
            log.debug("resolver answer lost error=%s", error)  # the client asks again, as with any lost datagram

    async def _forward(self, query: bytes, client: Any) -> None:
        reply = await self.forwarder.ask(query) or server_failure(query)
        if len(reply) > PLAIN_UDP and len(reply) > datagram_limit(query):
            reply = truncated(query, reply)
        self._send(reply, client)

    def _acceptable(self) -> None:
        try:
            connection, _ = self.sockets.tcp.accept()
        except OSError:
            return
        if self._connections >= MOST_CONNECTIONS:
            connection.close()
            return
        connection.setblocking(False)
        self._connections += 1
        self._spawn(self._serve(connection))

    async def _serve(self, connection: socket.socket) -> None:
        """Answer one connection's questions one after the other (RFC 7766)."""
        with connection:
            try:
                while True:
                    async with asyncio.timeout(IDLE_SECONDS):
                        length = int.from_bytes(await self._exactly(connection, 2), "big")
                        query = await self._exactly(connection, length)
                    answer = self.answers.answer(query, over_tcp=True)
                    if answer is None:
                        answer = await self.forwarder.ask(query, over_tcp=True) or server_failure(query)
                    async with asyncio.timeout(IDLE_SECONDS):
                        await self._loop.sock_sendall(connection, len(answer).to_bytes(2, "big") + answer)
            except (TimeoutError, OSError, EOFError):
                pass  # it left, or has nothing more to ask
            finally:
                self._connections -= 1

    async def _exactly(self, connection: socket.socket, count: int) -> bytes:
        received = b""
        while len(received) < count:
            part = await self._loop.sock_recv(connection, count - len(received))
            if not part:
                raise EOFError
            received += part
        return received

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def open_sockets() -> Sockets:
    """Both sockets, in the network namespace of the calling thread, whose loopback device is up. Raises OSError.

    They listen on any ports, to which rules lead; on port 53 itself where the kernel has no rules.
    """
    sockets = _bound(0)
    try:
        redirect(ADDRESS, PORT, udp=sockets.udp.getsockname()[1], tcp=sockets.tcp.getsockname()[1])
    except OSError as error:
        log.debug("resolver on port 53 itself error=%s", error)
        sockets.close()
        return _bound(PORT)
    return sockets


def _bound(port: int) -> Sockets:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, WAITING_BYTES)
        udp.bind((ADDRESS, port))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((ADDRESS, port))
        tcp.listen(BACKLOG)
    except OSError:
        udp.close()
        tcp.close()
        raise
    return Sockets(udp, tcp)
