"""How is a container's health watched?

A task for each running container with a health check: wait, run the check inside as `docker exec` would, judge the
result. It ends with the run and with a pause, and goes on with the next daemon where it was.
"""

import asyncio
import logging
import socket
import time

from sampan.containers import exec as joining
from sampan.containers import health_state
from sampan.containers.engine import Engine
from sampan.containers.health_state import OUTPUT_BYTES, Health, Result, Verdict
from sampan.containers.model import Container
from sampan.errors import SampanError
from sampan.runtime.streams import Stream
from sampan.wire.containers import HealthConfig
from sampan.wire.exec import ExecCreate

log = logging.getLogger(__name__)

READ_SIZE = 64 << 10
GRACE_SECONDS = 5.0
"""How long a check that was killed may take to be gone."""


def begin(engine: Engine, container: Container) -> None:
    """A run begins: nothing is known yet."""
    if not health_state.command(container.config):
        return
    engine.health.save(container.id, (engine.health.get(container.id) or Health()).begun())
    resume(engine, container, at_once=False)


def resume(engine: Engine, container: Container, *, at_once: bool) -> None:
    """Watch a container that runs; `at_once`: an earlier daemon may have left a check overdue."""
    words = health_state.command(container.config)
    check = container.config.healthcheck
    if not words or check is None:
        return
    suspend(engine, container.id)
    watch = _watch(engine, container.id, words, check, at_once=at_once)
    task = asyncio.get_running_loop().create_task(watch, name=f"health of {container.name}")
    engine.watches[container.id] = task
    task.add_done_callback(lambda done: _ended(engine, container.id, done))


def suspend(engine: Engine, container_id: str) -> None:
    """Stop watching: the container is frozen, or about to end."""
    task = engine.watches.pop(container_id, None)
    if task is not None:
        task.cancel()


def end(engine: Engine, container_id: str) -> None:
    """The run is over: nobody watches, and what does not run is not healthy."""
    suspend(engine, container_id)
    known = engine.health.get(container_id)
    if known is not None:
        engine.health.save(container_id, known.ended())


def _ended(engine: Engine, container_id: str, task: "asyncio.Task[None]") -> None:
    if engine.watches.get(container_id) is task:
        del engine.watches[container_id]
    if not task.cancelled() and task.exception() is not None:
        log.error("%s failed", task.get_name(), exc_info=task.exception())


async def _watch(engine: Engine, container_id: str, words: list[str], check: HealthConfig, *, at_once: bool) -> None:
    while True:
        container, health = engine.rows.get(container_id), engine.health.get(container_id) or Health()
        if container is None:
            return
        now_ns, started_ns = time.time_ns(), container.state.started_ns
        pause_ns = health_state.pause_ns(health, check, ran_ns=now_ns - started_ns)
        if at_once:
            last_ns = max(started_ns, health.log[-1].end_ns if health.log else 0)
            pause_ns = min(pause_ns, max(0, last_ns + pause_ns - now_ns))
        at_once = False
        await asyncio.sleep(pause_ns / 1e9)
        result = await _run(engine, container_id, words, health_state.timeout_ns(check))
        container = engine.rows.get(container_id)
        if container is None or not container.state.is_running:
            return
        engine.counts["health_checks"] += 1
        engine.counts["health_checks_failed"] += result.exit_code != 0
        before = engine.health.get(container_id) or Health()
        after = engine.health.save(container_id, health_state.judge(before, result, check, started_ns))
        if after.verdict is not before.verdict:
            engine.publish(container, f"health_status: {after.verdict}")
            if after.verdict is Verdict.UNHEALTHY and health_state.restarts_when_unhealthy(container):
                engine.restart_unhealthy(container)
                return


async def _run(engine: Engine, container_id: str, words: list[str], timeout_ns: int) -> Result:
    """Run the check once."""
    start_ns = time.time_ns()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    request = ExecCreate(cmd=words, attach_stdout=True, attach_stderr=True)
    exec_id = ""
    output = bytearray()
    try:
        try:
            exec_id = joining.create(engine, container_id, request)
        except BaseException:
            theirs.close()
            raise
        stream = Stream(fd=theirs.detach(), framed=False)
        await joining.start(engine, exec_id, streams=[stream], console_size=None)
        process = engine.execs[exec_id].process
        assert process is not None
        reading = asyncio.create_task(_read(ours, output))
        try:
            async with asyncio.timeout(timeout_ns / 1e9):
                code = await process.wait()
                await reading
            return Result(start_ns=start_ns, end_ns=time.time_ns(), exit_code=code, output=_text(output))
        except TimeoutError:
            await _kill(engine, container_id, exec_id)
            said = f"Health check exceeded timeout ({health_state.duration(timeout_ns)})"
            text = f"{said}: {_text(output)}" if output else said
            return Result(start_ns=start_ns, end_ns=time.time_ns(), exit_code=-1, output=text)
        except asyncio.CancelledError:
            await _kill(engine, container_id, exec_id)
            raise
        finally:
            reading.cancel()
    except (SampanError, OSError) as error:
        return Result(start_ns=start_ns, end_ns=time.time_ns(), exit_code=-1, output=str(error))
    finally:
        engine.execs.pop(exec_id, None)
        ours.close()


async def _kill(engine: Engine, container_id: str, exec_id: str) -> None:
    """End a check that takes too long, or that nobody wants to know the result of any more."""
    container, joined = engine.processes.get(container_id), engine.execs.get(exec_id)
    if container is None or joined is None or joined.process is None:
        return
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await container.signal(9, exec_id=exec_id)
            await joined.process.wait()
    except (TimeoutError, SampanError):
        log.warning("check not killed container=%s", container_id)


async def _read(sock: socket.socket, output: bytearray) -> None:
    """Everything the check says; what is beyond the limit is dropped, so that the check can end."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(sock, READ_SIZE):
        output += data[: OUTPUT_BYTES + 1 - len(output)]


def _text(output: bytearray) -> str:
    text = bytes(output[:OUTPUT_BYTES]).decode(errors="replace")
    return text + "..." if len(output) > OUTPUT_BYTES else text
