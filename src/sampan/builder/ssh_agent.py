"""How does a RUN reach the SSH agent of whoever builds?

    ssh in the RUN ──▶ socket, mounted into it ──▶ Link ──▶ the client's connection ──▶ its agent

The keys never leave the client. A container gets a socket of its own that takes two kinds of question only, of bounded
size and number; whatever else it sends is answered with a failure, without the client hearing of it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sampan.errors import Conflict
from sampan.wire.ssh_agent import FAILURE, HEAD, LENGTH, MESSAGE_MAX, SIZE_MAX, may_ask, question

ANSWER_SECONDS = 120.0  # somebody may have to touch a key
CONNECTIONS_MAX = 32
WAITING_MAX = 64
NAME = "agent.sock"


class Link:
    """The way to the agents of one client, while its build runs. `agents` are their ids."""

    def __init__(self, agents: Iterable[str]) -> None:
        self.agents = frozenset(agents)
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on answers until the client hangs up or says what is none. Raises Conflict for a second client."""
        if self._writer is not None:
            raise Conflict("the agents of this build are connected already")
        self._writer = writer
        try:
            while True:
                number, size = HEAD.unpack(await reader.readexactly(HEAD.size))
                if size > SIZE_MAX:
                    return
                message = await reader.readexactly(size)
                waiting = self._waiting.pop(number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.close()

    async def ask(self, agent: str, message: bytes) -> bytes:
        """What an agent answers; a failure when the client is not there, or too slow."""
        writer = self._writer
        if writer is None or writer.is_closing() or len(self._waiting) >= WAITING_MAX:
            return FAILURE
        self._last += 1
        number = self._last
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            writer.write(question(number, agent, message))
            await writer.drain()
            return await asyncio.wait_for(waiting, ANSWER_SECONDS)
        except (TimeoutError, ConnectionError):
            return FAILURE
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Hang up; whoever waits for an answer is told of a failure. Idempotent."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(FAILURE)
        if self._writer is not None:
            self._writer.close()


@asynccontextmanager
async def agent_socket(link: Link, agent: str, root: Path, *, mode: int, uid: int, gid: int) -> AsyncIterator[Path]:
    """A socket below the directory `root`, which is made, that speaks for an agent while the block runs."""
    root.mkdir(mode=0o700)
    path = root / NAME
    talking: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            if len(talking) <= CONNECTIONS_MAX:
                await _talk(link, agent, reader, writer)
        finally:
            talking.discard(task)
            writer.close()

    server = await asyncio.start_unix_server(connected, path, limit=2 * MESSAGE_MAX)
    try:
        os.chown(path, uid, gid)
        path.chmod(mode)
        yield path
    finally:
        server.close()
        for task in list(talking):
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        with suppress(FileNotFoundError):
            path.unlink()
        root.rmdir()


async def _talk(link: Link, agent: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Questions and answers of one connection, one after the other."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            if not 0 < size <= MESSAGE_MAX:
                return
            message = await reader.readexactly(size)
            said = await link.ask(agent, message) if may_ask(message) else FAILURE
            writer.write(LENGTH.pack(len(said)) + said)
            await writer.drain()
