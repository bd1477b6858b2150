"""How do connections on the listening sockets reach the API?

Plain sockets go to the HTTP server as they are; encrypted ones through a tunnel whose other end is a plain socket.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Coroutine, Sequence
from typing import Any

from sampan.api import tls
from sampan.api.app import App
from sampan.api.connection import Server
from sampan.api.listen import BACKLOG, Listener, close_listeners
from sampan.daemon import metrics

_log = logging.getLogger("sampan.daemon")
# accept(2) fails with these when descriptors or memory are short: waiting helps, retrying at once does not.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PAUSE_SECONDS = 0.5


class Doors:
    """All sockets through which clients come in, open until `close`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._plain: list[asyncio.Server] = []
        self._own: list[Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, listeners: Sequence[Listener], context: ssl.SSLContext | None) -> None:
        """Answer on every listener; `context` is for those that are encrypted."""
        loop = asyncio.get_running_loop()
        for listener in listeners:
            if listener.encrypted and context is not None:
                self._start(self._accept_encrypted(listener.socket, context), f"accept {listener.address}")
            else:
                self._plain.append(await loop.create_server(self._server, sock=listener.socket, backlog=BACKLOG))

    async def open_metrics(self, listener: Listener, app: App) -> None:
        """Answer Prometheus, and nobody else, on this listener."""
        self._plain.append(await metrics.serve(listener, app))
        self._own.append(listener)

    async def close(self, seconds: float) -> None:
        """Let nobody in any more, give requests that run `seconds` to end, then cut all connections."""
        for door in self._plain:
            door.close()
        await self._server.finish(seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        close_listeners(self._own)

    async def _accept_encrypted(self, listening: socket.socket, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listening)
            except OSError as error:
                _log.warning("accept failed error=%s", error)
                if error.errno in _EXHAUSTED:
                    await asyncio.sleep(PAUSE_SECONDS)
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._start(tls.serve(client, context, self._take), "tunnel")

    async def _take(self, plain: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(self._server, plain)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
