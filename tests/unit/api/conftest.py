"""An API on a real unix socket, over containers that are a few values: what is tested is HTTP, not containers."""

import asyncio
import json
import os
import queue
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sampan.api.about import About
from sampan.api.app import App, Engine
from sampan.api.connection import Server
from sampan.db import open_database
from sampan.errors import Conflict, NotFound
from sampan.events import Events
from sampan.networks.store import Networks
from sampan.runtime.streams import Stream
from sampan.volumes.store import SCHEMA, Volumes
from sampan.wire.containers import ContainerCreate


class Containers:
    """Two containers, `term` with a terminal and `plain` without; what is attached to them is kept in `attached`."""

    def __init__(self) -> None:
        self.attached: queue.Queue[Stream] = queue.Queue()
        self.created: list[ContainerCreate] = []
        self.ended = asyncio.Event()
        self.waiters = 0

    def attachable(self, name: str) -> bool:
        if name not in ("term", "plain"):
            raise NotFound(f"No such container: {name}")
        return name == "term"

    async def attach(self, name: str, stream: Stream, *, logs: bool, live: bool) -> None:
        if not live:
            raise Conflict("nothing to attach to")
        self.attached.put(stream)

    def inspect(self, name: str, size: bool) -> dict[str, Any]:
        self.attachable(name)
        return {"Id": name}

    async def create(self, name: str | None, body: ContainerCreate, platform: str) -> tuple[str, list[str]]:
        self.created.append(body)
        return "0" * 64, []

    async def start(self, name: str, detach_keys: str) -> bool:
        if name == "broken":
            raise ValueError("a secret path")
        return name != "running"

    async def wait(self, name: str, condition: str) -> Any:
        self.attachable(name)
        self.waiters += 1
        return self._status()

    async def _status(self) -> dict[str, Any]:
        try:
            await self.ended.wait()
        finally:
            self.waiters -= 1
        return {"StatusCode": 3, "Error": None}

    def logs(self, name: str, **wishes: Any) -> tuple[bool, AsyncIterator[bytes]]:
        return self.attachable(name), self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * (1 << 16)


class Served:
    """The API in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.events = Events()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self.containers = Containers()
        self.images = SimpleNamespace()
        self.distribution = SimpleNamespace()
        directory = Path(self.path).parent
        engine = Engine(
            containers=self.containers,
            images=self.images,
            networks=Networks("test"),
            volumes=Volumes(
                open_database(directory / "db", [SCHEMA]), directory / "volumes", directory, events=self.events
            ),
            events=self.events,
            about=About(sampan_version="0"),
            distribution=self.distribution,
            builder=SimpleNamespace(),
        )
        self.app = App(engine)
        server = Server(self.app)
        door = await self.loop.create_unix_server(server, self.path)
        self._ready.set()
        await self._end.wait()
        door.close()
        await server.finish(5)

    def stop(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(self.path)
        return client

    def attached(self) -> Stream:
        """The next connection that is given away to a container."""
        return self.containers.attached.get(timeout=10)

    def raw(self, request: bytes, *, half_close: bool = True) -> bytes:
        """Everything that the server answers to these bytes until it closes the connection."""
        with self.connect() as client:
            client.sendall(request)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            answer = b""
            while data := client.recv(1 << 16):
                answer += data
            return answer

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of one request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        answer = self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body, half_close=False)
        return parse(answer)

    def message(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Status and sentence of a request that fails."""
        status, _, answer = self.request(method, path, body, **headers)
        return status, json.loads(answer)["message"]


def parse(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer; chunks are joined."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        joined, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            joined, rest = joined + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body = joined
    return int(first.split()[1]), headers, body


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Served]:
    """A served API; its socket's path is short, as sun_path holds 107 bytes."""
    directory = os.open(tmp_path, os.O_RDONLY)
    served = Served(Path(f"/proc/{os.getpid()}/fd/{directory}/s"))
    yield served
    served.stop()
    os.close(directory)
