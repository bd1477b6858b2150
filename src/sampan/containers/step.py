"""How is a step of a build run?

As a container like any other, with the spec that `run` would get (the walls are the same, security catalogue E20), but
without a row: nobody can name it, and nothing of it survives its build. Its output goes to whoever waits, never to a
log; its writable tree stays until the caller has made a layer of it.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from typing import Any

from sampan.containers import defaults, lookup, networking, remove, resolve, security, spec, start, verify
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.containers.needs import Process
from sampan.errors import SampanError
from sampan.networks import mode as network_mode
from sampan.oci.mount import Mount
from sampan.runtime.status import StartFailed
from sampan.runtime.streams import LogOptions, Stdio, Stream
from sampan.wire.containers import ContainerConfig, HostConfig
from sampan.wire.stdcopy import Decoder

Output = Callable[[int, bytes], Awaitable[None]]
READ = 1 << 16
SIGKILL = 9
KILL_SECONDS = 10


class Steps:
    """Runs the containers of builds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: dict[str, Process] = {}

    async def run(
        self,
        step_id: str,
        *,
        config: ContainerConfig,
        host: HostConfig,
        diff_ids: Sequence[str],
        mounts: Sequence[Mapping[str, Any]],
        shared: Sequence[Mount],
        output: Output,
    ) -> int:
        """Run to the end; the exit code. `mounts` are of the OCI spec and come after all others, in order.

        Raises StartFailed, InvalidRequest. What is left afterwards is the caller's to `discard`.
        """
        container = self._container(step_id, config, host, diff_ids)
        ours, theirs = socket.socketpair()
        with ours:
            ours.setblocking(False)
            streams = [Stream(fd=theirs.detach())]
            process: Process = await self._start(container, mounts, shared, streams)
            self._running[step_id] = process
            hearing = asyncio.create_task(_listen(ours, output), name=f"listen to step {step_id[:12]}")
            try:
                status = await process.wait()
                del self._running[step_id]
                await hearing
            finally:
                hearing.cancel()
            return status.code

    async def discard(self, step_id: str) -> None:
        """Remove whatever is left of a step; one that still runs is killed with all its processes."""
        process = self._running.pop(step_id, None)
        if process is not None:
            await _end(process)
        await self._engine.runtime.forget(step_id)
        resolve.close(self._engine, step_id)
        await self._engine.networks.leave_all(step_id)
        await asyncio.to_thread(remove.remove_files, self._engine, step_id)

    async def sweep(self) -> None:
        """Once at start-up, before the containers are recovered: end the steps of builds that died with their
        daemon.
        """
        for left in self._engine.runtime.leftovers():
            if self._engine.rows.get(left) is None:
                process = await self._engine.runtime.reconnect(left)
                if process is not None:
                    await _end(process)
                await self._engine.runtime.forget(left)

    def _container(self, step_id: str, config: ContainerConfig, host: HostConfig, diff_ids: Sequence[str]) -> Container:
        engine = self._engine
        network = network_mode.parse(host.network_mode, engine.networks.default)
        asked, _ = verify.settle(config, host, network, host=engine.host, options=engine.options)
        return Container(
            id=step_id,
            name=step_id[:12],
            created_ns=time.time_ns(),
            image_id="",
            diff_ids=tuple(diff_ids),
            config=defaults.with_names(config, network, container_id=step_id, host=engine.host),
            host=defaults.with_daemons(asked, network, host=engine.host, options=engine.options),
            networks=networking.settings_of(network, {}),
        )

    async def _start(
        self,
        container: Container,
        more: Sequence[Mapping[str, Any]],
        shared: Sequence[Mount],
        streams: Sequence[Stream],
    ) -> Process:
        engine, asked = self._engine, container.host
        network = network_mode.parse(asked.network_mode, engine.networks.default)
        options = security.parse(
            asked.security_opt or (),
            host=engine.host,
            no_new_privileges=engine.options.no_new_privileges,
            profile=engine.options.seccomp_profile,
        )
        async with AsyncExitStack() as undo:
            held = undo.enter_context(ExitStack())
            given = list(streams)
            undo.callback(_close, given)
            undo.push_async_callback(self.discard, container.id)
            joined = await networking.join(engine, container, network, held)
            await resolve.open(engine, container, joined.namespace)
            directory = engine.directory(container.id)
            directory.parent.mkdir(mode=0o700, exist_ok=True)
            directory.mkdir(mode=0o700, exist_ok=True)
            lookups = lookup.look_up(engine, container, network, options, joined)
            built = spec.build(container, (), options, lookups, host=engine.host, options=engine.options)
            linux = built["linux"]
            built["mounts"] += [
                spec.owned_by_root(mount, linux) if mount["type"] == "bind" else mount for mount in more
            ]
            rootfs = engine.snapshots.prepare(container.id, container.diff_ids)
            rootfs = replace(rootfs, shared=(*rootfs.shared, *shared))
            handed, given[:] = list(given), []  # from here on the runtime owns the descriptors
            log = LogOptions(directory="")
            try:
                process = await engine.runtime.start(
                    container.id, built, rootfs=rootfs, stdio=Stdio(), log=log, streams=handed
                )
            except StartFailed as error:
                raise start.sentence(error) from None
            undo.pop_all()
            held.close()
        await resolve.keep(engine, container.id, process)
        return process


async def _end(process: Process) -> None:
    """Kill the step and wait until its shim has said so; a shim that does not is left to the sweep."""
    try:
        async with asyncio.timeout(KILL_SECONDS):
            await process.signal(SIGKILL)
            await process.wait()
    except (TimeoutError, SampanError):
        pass  # it is gone already, or will be with its cgroup


def _close(streams: Sequence[Stream]) -> None:
    for stream in streams:
        socket.socket(fileno=stream.fd).close()


async def _listen(ours: socket.socket, output: Output) -> None:
    loop = asyncio.get_running_loop()
    decoder = Decoder()
    while True:
        try:
            data = await loop.sock_recv(ours, READ)
        except ConnectionError:
            return
        if not data:
            return
        for stream, payload in decoder.feed(data):
            await output(stream, payload)
