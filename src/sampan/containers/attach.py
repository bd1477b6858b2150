"""How does a client join a container's standard streams?

Its connection is given away: to the shim if the container runs, else it waits for the start. Nothing passes through the
daemon, so an attached client outlives it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from socket import SHUT_RDWR, socket

from sampan.containers import logs
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, after, allows
from sampan.containers.model import Container
from sampan.errors import Conflict
from sampan.runtime.streams import Stream


def attachable(engine: Engine, reference: str) -> bool:
    """Whether the container has a terminal, if it can be attached to. Raises NotFound or Conflict."""
    container = engine.rows.find(reference)
    after(container.state.status, Act.ATTACH, id=container.id)
    return container.config.tty


async def attach(engine: Engine, reference: str, stream: Stream, *, with_logs: bool, live: bool) -> None:
    """Give the stream away; `with_logs` shows what was said so far, and without `live` that is all."""
    container = engine.rows.find(reference)
    if not live:
        await asyncio.to_thread(_send_log, stream, logs.pieces(engine, container, stream.stdout, stream.stderr))
        return
    stream = replace(
        stream,
        stdin=stream.stdin and container.config.open_stdin,
        replay=with_logs and container.host.log_config.type != "none",
    )
    await _give(engine, container, stream)
    engine.publish(container, "attach")


async def _give(engine: Engine, container: Container, stream: Stream) -> None:
    async with engine.lock(container.id):
        current = engine.current(container.id)
        if not allows(current.state.status, Act.ATTACH):
            _close(stream)
            after(current.state.status, Act.ATTACH, id=current.id)
        process = engine.processes.get(container.id)
        if process is not None:
            await process.attach(stream)
        elif current.state.is_running:
            _close(stream)
            raise Conflict(f"Container {container.id} is not running")
        else:
            engine.parked.add(container.id, stream)


def _send_log(stream: Stream, pieces: Iterable[bytes]) -> None:
    """Write the log to the client's connection and hang up."""
    with socket(fileno=stream.fd) as client:
        client.settimeout(None)
        try:
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(SHUT_RDWR)
        except OSError:
            pass  # the client left


def _close(stream: Stream) -> None:
    socket(fileno=stream.fd).close()
