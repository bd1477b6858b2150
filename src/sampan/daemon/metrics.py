"""Where can Prometheus fetch its numbers without being let into the API?

`--metrics-addr HOST:PORT` as dockerd has it, or `unix://PATH`. This door opens to `GET /metrics` and to nothing else:
who may read how much memory a container uses must not be able to start one.
"""

import asyncio
import socket
from urllib.parse import urlsplit

from aiohttp import web

from sampan.api.app import App
from sampan.api.listen import Listener, open_listeners
from sampan.api.routes.metrics import answer
from sampan.errors import InvalidRequest

BACKLOG = 64


def listen(address: str, group: str) -> Listener:
    """A listening socket for `--metrics-addr`. Raises InvalidRequest, Conflict or OSError."""
    if address.startswith("unix://"):
        return open_listeners([address], group=group, default_path="", has_tls=False)[0]
    parts = urlsplit(f"//{address.removeprefix('tcp://')}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None:
        raise InvalidRequest(f"--metrics-addr={address}: write it as HOST:PORT or unix:///PATH")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return Listener(sock, f"tcp://{address}")


async def serve(listener: Listener, app: App) -> asyncio.Server:
    """Answer `GET /metrics` there, and 404 to all else."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "GET" or request.path != "/metrics":
            return web.Response(status=404, text="404 page not found\n")
        return await answer(app.engine)

    # Not the API's server: no routes, no upgrades, no bodies.
    server = web.Server(handle, access_log=None)
    return await asyncio.get_running_loop().create_server(server, sock=listener.socket)
