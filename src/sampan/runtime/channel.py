"""How does the asyncio side talk over a unix socket that carries descriptors?

asyncio's streams know none, so this is a socket with a reader callback, a queue of what could not be sent yet, and
replies matched to requests by number.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from sampan.errors import Unavailable
from sampan.linux.socket import receive_with_fds, send_with_fds
from sampan.runtime.protocol import MAX_FDS, BrokenMessage, Decoder, Message, close_all, encode
from sampan.runtime.status import StartFailed

RECEIVE = 64 << 10


class Channel:
    """One connection. `on_event` gets every message that is no reply; `on_close` is called once, at the end."""

    def __init__(self, sock: socket.socket, on_event: Callable[[Message], None], on_close: Callable[[], None]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event
        self._on_close = on_close
        self._decoder = Decoder()
        self._numbers = count(1)
        self._replies: dict[int, asyncio.Future[tuple[Message, list[int]]]] = {}
        self._queue: list[tuple[bytes, list[int]]] = []
        self.closed = False
        self._loop.add_reader(sock.fileno(), self._readable)

    def post(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send without expecting a reply. The channel owns copies of `fds` until they are sent."""
        if self.closed:
            raise Unavailable("the connection is closed")
        self._queue.append((encode(message, len(fds)), [os.dup(fd) for fd in fds]))
        self._flush()

    async def request(self, message: Message, fds: Sequence[int] = ()) -> Any:
        """Send and wait for the reply. Raises StartFailed with the other side's reason, Unavailable if it is gone."""
        reply, received = await self.request_fds(message, fds)
        close_all(received)
        return reply

    async def request_fds(self, message: Message, fds: Sequence[int] = ()) -> tuple[Any, list[int]]:
        """`request`, and the descriptors that came with the reply; they are the caller's now."""
        number = next(self._numbers)
        future: asyncio.Future[tuple[Message, list[int]]] = self._loop.create_future()
        self._replies[number] = future
        try:
            self.post({**message, "id": number}, fds)
            reply, received = await future
        finally:
            self._replies.pop(number, None)
        if "error" in reply:
            close_all(received)
            raise StartFailed(reply["error"], int(reply["exit_code"]), plain=bool(reply.get("plain")))
        return reply["ok"], received

    def _flush(self) -> None:
        while self._queue:
            data, fds = self._queue[0]
            try:
                sent = self._send(data, fds)
            except BlockingIOError:
                self._loop.add_writer(self._sock.fileno(), self._flush)
                return
            except OSError:
                return self.close()
            close_all(fds)
            if sent < len(data):
                self._queue[0] = (data[sent:], [])
            else:
                self._queue.pop(0)
        self._loop.remove_writer(self._sock.fileno())

    def _send(self, data: bytes, fds: list[int]) -> int:
        if not fds:
            return self._sock.send(data)
        # The descriptors ride on the first bytes; the rest of a long message follows as any other data.
        head = data[: 32 << 10]
        send_with_fds(self._sock, head, fds)
        return len(head)

    def _readable(self) -> None:
        try:
            data, fds = receive_with_fds(self._sock, RECEIVE, MAX_FDS)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            return self.close()
        try:
            for message, own in self._decoder.feed(data, fds):
                self._dispatch(message, own)
        except BrokenMessage:
            self.close()

    def _dispatch(self, message: Message, fds: list[int]) -> None:
        number = message.get("id")
        future = None if number is None else self._replies.get(number)
        if future and not future.done():
            return future.set_result((message, fds))
        close_all(fds)
        if number is None:
            self._on_event(message)

    def close(self) -> None:
        """End the connection; whoever waits for a reply learns it."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._decoder.close()
        for _, fds in self._queue:
            close_all(fds)
        self._queue.clear()
        for future in self._replies.values():
            if not future.done():
                future.set_exception(Unavailable("the container's shim is gone"))
        self._on_close()
