"""What is left when somebody is killed, at any time? The engine, a shim, the zygote; and what, after 200 starts?"""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import text_of
from kernel.shim_rig import Client, Rig, alive, descriptors, parent_of, process_of, settled, soon
from sampan.linux.procfs import start_time
from sampan.runtime.client import StartFailed, Stdio

pytestmark = pytest.mark.needs_root
KILL_ROUNDS = 12
CYCLES = 200
MAX_THREADS = min(32, (os.cpu_count() or 1) + 4)  # of asyncio.to_thread


def zygote(rig: Rig) -> int:
    """The zygote of the rig's runtime: the newest of ours. That of an earlier rig may still be on its way out."""
    mine = [int(pid) for pid in children(os.getpid()) if text_of(f"/proc/{pid}/comm") == "sampan:zygote\n"]
    return max(mine, key=start_time)


def children(pid: int) -> list[str]:
    """Children of a process, of all its threads."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [child for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []  # it is gone, and so are they


async def test_a_shim_is_killed(rig: Rig) -> None:
    """Its container dies with it, whoever waits is told, and sweeping leaves nothing."""
    process = await rig.start("c", "sleep 1000 & sleep 1000")
    joined = await process.exec("e", process_of("sleep 1000"), stdio=Stdio())
    inside = process.pids()
    assert len(inside) == 3
    os.kill(rig.shims["c"], signal.SIGKILL)
    status = await soon(process.wait())
    assert (status.code, status.error) == (137, "the container's shim ended unexpectedly")
    assert await soon(joined.wait()) == 137
    assert await settled(lambda: not any(alive(pid) for pid in inside))
    assert await rig.another_runtime().reconnect("c") is None
    await rig.runtime.sweep("c")
    await rig.runtime.sweep("c")  # again: nothing to do
    assert not rig.leaks()


async def test_the_zygote_is_killed(rig: Rig) -> None:
    """Containers do not notice; the next start has a new one."""
    first = await rig.start("a", "sleep 1000")
    os.kill(zygote(rig), signal.SIGKILL)
    second = await rig.start("b", "sleep 1000")
    joined = await first.exec("e", process_of("exit 3"), stdio=Stdio())
    assert await soon(joined.wait()) == 3
    assert alive(first.pid)
    assert alive(second.pid)


@pytest.mark.parametrize("moment", ["at once", "ordered", "with a cgroup", "nearly there"])
async def test_a_start_that_nobody_waits_for_any_more(rig: Rig, moment: str) -> None:
    """Its shim is not caught by a sweep that comes too early."""
    await rig.runtime.ready()
    assert await settled(lambda: len(children(zygote(rig))) == 1)
    directory = rig.run_root / "containers" / "c"
    reached = {
        "at once": lambda: True,
        "ordered": (directory / "intent.json").exists,
        "with a cgroup": rig.cgroups,
        "nearly there": (directory / "state.json").exists,
    }[moment]
    starting = asyncio.ensure_future(rig.start("c", "sleep 1000"))
    while not reached() and not starting.done():
        await asyncio.sleep(0)  # a turn of the loop
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(starting)
    assert await settled(lambda: len(children(zygote(rig))) <= 1), "the shim goes, too"
    assert not rig.leaks()


async def test_the_shim_that_waits_for_a_container_is_killed(rig: Rig) -> None:
    await rig.runtime.ready()
    assert await settled(lambda: children(zygote(rig)))
    for pid in children(zygote(rig)):
        os.kill(int(pid), signal.SIGKILL)
    process = await rig.start("c", "exit 7")
    assert (await soon(process.wait())).code == 7


async def test_a_zygote_of_an_engine_with_many_connections(rig: Rig) -> None:
    """Its socket has a number above 1024 then, which select(2) does not know."""
    many = [os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC) for _ in range(1100)]
    try:
        process = await rig.start("c", "exit 3")
        assert (await soon(process.wait())).code == 3
        assert await settled(lambda: children(zygote(rig)))
    finally:
        for fd in many:
            os.close(fd)


@pytest.mark.parametrize("victim", ["zygote", "shim", "starter"])
async def test_somebody_is_killed_during_a_start(rig: Rig, victim: str) -> None:
    """At moments spread over a start: it works all the same, or it fails; in both cases nothing is left over."""
    for number in range(KILL_ROUNDS):
        name = f"c{number}"
        await rig.runtime.ready()
        parent = zygote(rig)
        starting = asyncio.create_task(rig.start(name, "sleep 1000"))
        await asyncio.sleep(number * 0.0015)  # the moment, not a wait: every round takes another
        victims = [parent] if victim == "zygote" else [int(pid) for pid in children(parent)]
        if victim == "starter":
            victims = [int(pid) for shim in victims for pid in children(shim)]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            process = await soon(starting)
            if alive(process.pid) and victim == "zygote":
                assert await rig.runtime.reconnect(name), "a container that was started again can be found again"
            await process.signal(9, everyone=True)
            assert (await soon(process.wait())).code == 137
        except StartFailed as error:
            assert "killed" in str(error) or "lost" in str(error) or "shim" in str(error), str(error)
        await rig.runtime.sweep(name)
        assert await settled(lambda: not rig.cgroups()), rig.cgroups()
    rig.processes.clear()


@pytest.mark.parametrize("init", [False, True], ids=["the program is pid 1", "an init stays"])
async def test_who_helped_with_a_start_is_soon_gone(rig: Rig, init: bool) -> None:
    process = await soon(rig.start("c", "sleep 1000", init=init))
    shim = parent_of(process.pid)
    assert await settled(lambda: children(shim) == [str(process.pid)])


async def test_once_an_end_is_noted_nobody_holds_its_mounts(rig: Rig) -> None:
    """Not even who helped with the start: the container may be started again, or removed, at once."""
    for _ in range(20):
        await rig.runtime.ready()
        waiting = await some(lambda: [pid for pid in grandchildren(zygote(rig)) if state(pid) == "S"])
        process = await rig.start("c", "exit 3")
        assert (await soon(process.wait())).code == 3
        await rig.runtime.forget("c")
        assert {state(pid) for pid in waiting} <= {"", "S"}, "one of them helped, and is still on its way out"


def grandchildren(pid: int) -> list[str]:
    """Of a zygote: who waits to help with a start."""
    return [child for shim in children(pid) for child in children(int(shim))]


def state(pid: str) -> str:
    """The letter of proc_pid_stat(5); nothing, once it has ended and was waited for."""
    text = text_of(f"/proc/{pid}/stat")
    return text.rpartition(")")[2].split()[0] if text else ""


async def test_a_start_works_if_somebody_traces_who_helps_with_it(rig: Rig) -> None:
    """Then it cannot be held; it dies at the moment when the container is born, and all else is the same."""
    trace = (
        "import os, sys; from sampan.linux.ptrace import hold_after_vfork; pid = int(sys.argv[1]); "
        "hold_after_vfork(pid); print('traced', flush=True); os.waitpid(pid, 0x40000000)"  # __WALL: others' children
    )
    await rig.runtime.ready()
    [shim] = await some(lambda: children(zygote(rig)))
    starter = (await some(lambda: children(int(shim))))[0]  # its oldest
    tracer = await asyncio.create_subprocess_exec(sys.executable, "-c", trace, starter, stdout=asyncio.subprocess.PIPE)
    assert tracer.stdout and await tracer.stdout.readline() == b"traced\n"
    process = await rig.start("c", "sleep 1000")
    assert str(parent_of(process.pid)) == shim
    assert await tracer.wait() == 0
    assert await settled(lambda: children(int(shim)) == [str(process.pid)])


async def some(of: Callable[[], list[str]]) -> list[str]:
    """What there is, once there is some."""
    assert await settled(of)
    return of()


async def test_an_engine_comes_back(rig: Rig) -> None:
    """It finds what runs, with its execs; a client never noticed."""
    client = Client(stdin=True, framed=False)
    process = await rig.start("c", "cat", stdio=Stdio(stdin_open=True, stdin_once=True), clients=(client,))
    joined = await process.exec("e", process_of("sleep 0.3; exit 6"), stdio=Stdio())
    await rig.runtime.close()
    client.type(b"nobody is there\n")
    assert await client.wait_for(b"there\n") == b"nobody is there\n"
    found = await rig.another_runtime().reconnect("c")
    assert found is not None
    assert (found.pid, found.start_time, found.started_at) == (process.pid, process.start_time, process.started_at)
    rig.processes["c"] = found
    assert await settled(lambda: ("c", "exec_die", {"exec_id": "e", "code": 6}) in rig.events)
    assert joined.pid
    client.sock.shutdown(1)
    assert (await soon(found.wait())).code == 0
    assert await rig.another_runtime().reconnect("unknown") is None


async def test_a_container_ends_while_nobody_is_there(rig: Rig) -> None:
    """The exit is on disk; who comes at once still meets the shim, who comes later reads the file."""
    client = Client(stdin=True)
    process = await rig.start("c", "read x; exit 9", stdio=Stdio(stdin_open=True), clients=(client,))
    await rig.runtime.close()
    client.type(b"\n")
    await client.rest()
    runtime = rig.another_runtime()
    assert await settled(lambda: runtime.exit_record("c") is not None)
    record = runtime.exit_record("c")
    assert record is not None
    assert record.code == 9
    found = await runtime.reconnect("c")
    assert found is not None
    assert await soon(found.wait()) == record
    rig.processes["c"] = found
    assert process.pid == found.pid


async def test_two_hundred_starts_leave_nothing(rig: Rig) -> None:
    """Descriptors, threads, processes, mounts, cgroups: as many as before."""
    for name in ("warm", "up"):
        await soon((await rig.start(name, "true", "x")).wait())
        await rig.runtime.forget(name)
    assert await settled(lambda: len(children(zygote(rig))) == 1)  # the shim that waits for the next container
    gc.collect()  # what earlier tests left to it closes its descriptors now, and not while something is counted
    before = figures(rig)
    threads = threading.active_count()  # those of earlier tests' loops among them
    for number in range(CYCLES):
        process = await rig.start(f"c{number}", "/bin/true", "x")
        assert (await soon(process.wait())).code == 0
        await rig.runtime.forget(f"c{number}")
        rig.processes.pop(f"c{number}")
    assert await settled(lambda: len(children(zygote(rig))) == 1), children(zygote(rig))
    assert await settled(lambda: not grown(before, figures(rig))), (before, figures(rig))
    assert threading.active_count() <= threads + MAX_THREADS


def grown(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether any figure went up. Down is no leak: the loops of earlier tests still close what they had."""
    return any(now > then for then, now in zip(before, after, strict=True))


def figures(rig: Rig) -> tuple[int, int, int, int]:
    """What grows when something leaks."""
    pid = zygote(rig)
    mounts = len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    return descriptors(os.getpid()), descriptors(pid), mounts, len(rig.cgroups())
