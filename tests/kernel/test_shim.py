"""Does a shim keep its promises while nobody hinders it? Exits, logs, streams, execs, limits."""

import os
import resource
import signal
import socket
from pathlib import Path

import pytest

from kernel.shim_rig import Client, Rig, descriptors, descriptors_at_rest, process_of, settled, soon
from sampan.runtime.client import LogOptions, StartFailed, Stdio

pytestmark = pytest.mark.needs_root
OPEN = Stdio(stdin_open=True, stdin_once=True)


def unframed(data: bytes) -> dict[int, bytes]:
    """What a stdcopy stream carried: stream number → bytes."""
    found = {1: b"", 2: b""}
    while data:
        length = int.from_bytes(data[4:8], "big")
        found[data[0]] += data[8 : 8 + length]
        data = data[8 + length :]
    return found


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 0), ("kill -9 $$", 0)],
    ids=["0", "7", "255", "TERM to pid 1", "KILL to pid 1"],
)
async def test_exit_codes(rig: Rig, script: str, code: int) -> None:
    """The last two do nothing: the kernel protects pid 1 of a namespace from its own (pid_namespaces(7))."""
    process = await rig.start("c", script)
    status = await soon(process.wait())
    assert (status.code, status.oom_killed, status.error) == (code, False, "")
    record = rig.runtime.exit_record("c")
    assert record == status
    await rig.runtime.forget("c")
    assert rig.runtime.exit_record("c") is None


async def test_a_signal_is_the_exit_code(rig: Rig) -> None:
    process = await rig.start("c", "sleep 1000")
    await process.signal(signal.SIGTERM)  # no handler, and pid 1: nothing happens
    await process.signal(signal.SIGKILL)
    assert (await soon(process.wait())).code == 128 + signal.SIGKILL
    await process.signal(signal.SIGKILL)  # it has ended: no error


async def test_a_handled_signal(rig: Rig) -> None:
    client = Client()
    process = await rig.start("c", "trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done", clients=(client,))
    await client.wait_for(b"ready")
    await process.signal(signal.SIGUSR1)
    assert (await soon(process.wait())).code == 5


async def test_the_log_has_every_byte_in_order(rig: Rig) -> None:
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; printf 'no end\\000\\377'"
    process = await rig.start("c", script)
    await soon(process.wait())
    assert rig.log("c") == b"".join(b"line %d\n" % i for i in range(3000)) + b"no end\x00\xff"


async def test_the_log_rotates(rig: Rig) -> None:
    log = rig.log_directory("c")
    options = LogOptions(directory=str(log), max_size=1 << 20, max_files=3)
    process = await rig.start("c", "yes 0123456789abcdef | head -c 8500000", log=options)
    await soon(process.wait())
    sizes = {path.name: path.stat().st_size for path in log.iterdir()}
    assert set(sizes) == {"log", "log.1", "log.2"}
    assert max(sizes.values()) <= 1 << 20
    kept = rig.log("c")
    assert (b"0123456789abcdef\n" * 500000)[-len(kept) :] == kept
    assert len(kept) > 2 << 20


async def test_clients_get_what_they_asked_for(rig: Rig) -> None:
    both, out, err, raw = Client(), Client(stderr=False), Client(stdout=False), Client(framed=False, stderr=False)
    process = await rig.start("c", "echo to out; echo to err >&2; exit 3", clients=(both, out, err, raw))
    assert (await soon(process.wait())).code == 3
    assert unframed(await both.rest()) == {1: b"to out\n", 2: b"to err\n"}
    assert unframed(await out.rest()) == {1: b"to out\n", 2: b""}
    assert unframed(await err.rest()) == {1: b"", 2: b"to err\n"}
    assert await raw.rest() == b"to out\n"


async def test_a_late_client_gets_no_replay_unless_it_asks(rig: Rig) -> None:
    first, late, replayed = Client(framed=False, stdin=True), Client(framed=False), Client(framed=False, replay=True)
    process = await rig.start("c", "echo early; read x; echo late", stdio=OPEN, clients=(first,))
    await first.wait_for(b"early\n")
    await process.attach(late.stream)
    await process.attach(replayed.stream)
    assert await replayed.wait_for(b"early\n") == b"early\n"
    first.type(b"\n")
    await soon(process.wait())
    assert await late.rest() == b"late\n"
    assert await replayed.rest() == b"late\n"


async def test_stdin_ends_where_the_client_ends_it(rig: Rig) -> None:
    client = Client(stdin=True, framed=False, initial=b"sent with the request ")
    process = await rig.start("c", "cat; echo; echo end", stdio=OPEN, clients=(client,))
    client.type(b"and after")
    client.sock.shutdown(1)  # half-close: output still comes
    assert await client.rest() == b"sent with the request and after\nend\n"
    assert (await soon(process.wait())).code == 0


async def test_stdin_that_stays_open_outlives_a_client(rig: Rig) -> None:
    first, second = Client(stdin=True, framed=False), Client(stdin=True, framed=False)
    process = await rig.start("c", "read a; echo $a; read b; echo $b", stdio=Stdio(stdin_open=True), clients=(first,))
    first.type(b"one\n")
    await first.wait_for(b"one\n")
    first.sock.close()
    await process.attach(second.stream)
    second.type(b"two\n")
    assert await second.rest() == b"two\n"
    assert (await soon(process.wait())).code == 0


async def test_without_stdin_there_is_the_end_of_a_file(rig: Rig) -> None:
    process = await rig.start("c", "cat; readlink /proc/self/fd/0")
    assert (await soon(process.wait())).code == 0
    assert rig.log("c") == b"/dev/null\n"


async def test_detach_keys_cut_anywhere(rig: Rig) -> None:
    stdio = Stdio(terminal=True, stdin_open=True, rows=24, columns=80)
    client = Client(stdin=True, framed=False, detach_keys=b"\x10\x11")
    process = await rig.start("c", "stty -echo; echo ready; read x; echo got:$x", stdio=stdio, clients=(client,))
    await client.wait_for(b"ready")
    client.type(b"typed\x10")
    client.type(b"\x11")
    await client.rest()
    assert await settled(lambda: ("c", "detach", {}) in rig.events)
    other = Client(stdin=True, framed=False)
    await process.attach(other.stream)
    other.type(b"\n")
    assert b"got:typed\r\n" in await other.rest()
    assert (await soon(process.wait())).code == 0


async def test_a_terminal_and_its_size(rig: Rig) -> None:
    client = Client(stdin=True, framed=False)
    stdio = Stdio(terminal=True, stdin_open=True, rows=24, columns=80)
    script = "trap 'stty size; exit 9' WINCH; tty; stty size; while :; do sleep 0.05; done"
    process = await rig.start("c", script, stdio=stdio, clients=(client,))
    assert await client.wait_for(b"24 80\r\n") == b"/dev/pts/0\r\n24 80\r\n"
    await process.resize(30, 90)
    assert await client.wait_for(b"30 90\r\n") == b"30 90\r\n"
    assert (await soon(process.wait())).code == 9


async def test_exec_has_streams_of_its_own(rig: Rig) -> None:
    watcher, client = Client(), Client(stdin=True)
    process = await rig.start("c", "sleep 1000", clients=(watcher,))
    script = "cat; echo err >&2; readlink /proc/self/ns/pid; exit 6"
    joined = await process.exec("e", process_of(script), stdio=OPEN, streams=[client.stream])
    client.type(b"in\n")
    client.sock.shutdown(1)
    assert await soon(joined.wait()) == 6
    found = unframed(await client.rest())
    assert found == {1: b"in\n" + os.readlink(f"/proc/{process.pid}/ns/pid").encode() + b"\n", 2: b"err\n"}
    assert rig.log("c") == b""
    await process.signal(9)
    assert await watcher.rest() == b""
    assert ("c", "exec_die", {"exec_id": "e", "code": 6}) in rig.events


async def test_exec_on_a_terminal(rig: Rig) -> None:
    process = await rig.start("c", "sleep 1000")
    client = Client(stdin=True, framed=False, detach_keys=b"\x10\x11")
    stdio = Stdio(terminal=True, stdin_open=True, rows=5, columns=6)
    command = process_of("stty size; read x; stty size; exit 4", terminal=True)
    joined = await process.exec("e", command, stdio=stdio, streams=[client.stream])
    await client.wait_for(b"5 6\r\n")
    await process.resize(7, 8, "e")
    client.type(b"\n")
    await client.wait_for(b"7 8\r\n")
    assert await soon(joined.wait()) == 4


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [
        ("missing", 127, "executable file not found in .PATH"),
        ("/missing", 127, "no such file or directory"),
        ("/etc", 126, "is a directory|permission denied"),
        ("/etc/passwd", 126, "permission denied"),
    ],
)
async def test_a_program_that_cannot_be_executed(rig: Rig, program: str, code: int, reason: str) -> None:
    with pytest.raises(StartFailed, match=reason) as failed:
        await rig.start("bad", program, "x")
    assert failed.value.exit_code == code
    assert not rig.cgroups()
    process = await rig.start("c", "sleep 1000")
    before = await descriptors_at_rest(rig.shims["c"])
    for _ in range(3):
        client = Client()
        with pytest.raises(StartFailed, match=reason) as failed:
            await process.exec("e", process_of(program, "x"), stdio=OPEN, streams=[client.stream])
        assert failed.value.exit_code == code
        client.sock.close()
    assert descriptors(rig.shims["c"]) == before


async def test_pause_and_resume(rig: Rig) -> None:
    client = Client(framed=False)
    process = await rig.start("c", "while :; do echo tick; sleep 0.01; done", clients=(client,))
    await client.wait_for(b"tick\n")
    await process.pause()
    size = len(rig.log("c"))
    for _ in range(20):
        assert len(rig.log("c")) - size <= 65536  # what was already in the pipe
    states = {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in process.pids()}
    assert states <= {"D", "S"}
    await process.resume()
    size = len(rig.log("c"))
    assert await settled(lambda: len(rig.log("c")) > size + 20)


async def test_who_has_just_ended_is_not_frozen(rig: Rig) -> None:
    """A commit and the end of the program meet: the engine has not heard of the end yet."""
    process = await rig.start("c", "true")
    assert (await soon(process.wait())).code == 0
    assert await settled(lambda: not process.pids())
    assert not await process.pause()


async def test_a_paused_container_can_be_killed(rig: Rig) -> None:
    process = await rig.start("c", "sleep 1000")
    await process.pause()
    await process.signal(9, everyone=True)
    assert (await soon(process.wait())).code == 137


async def test_update_changes_limits(rig: Rig) -> None:
    process = await rig.start("c", "sleep 1000", resources={"pids": {"limit": 50}})
    directory = next(path for path in rig.cgroups() if Path(path, "pids.max").exists())
    assert Path(directory, "pids.max").read_text() == "50\n"
    await process.update({"pids": {"limit": 7}})
    assert Path(directory, "pids.max").read_text() == "7\n"


async def test_the_out_of_memory_killer_is_told_of(rig: Rig) -> None:
    limit = {"memory": {"limit": 24 << 20, "swap": 24 << 20}}
    process = await rig.start("c", "dd if=/dev/zero of=/dev/null bs=200M count=1", resources=limit)
    status = await soon(process.wait())
    assert (status.code, status.oom_killed) == (137, True)
    assert await settled(lambda: ("c", "oom", {}) in rig.events)


async def test_the_limit_of_core_files_is_the_engines(rig: Rig) -> None:
    """The shim itself leaves none, whatever the engine was given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, hard))
    try:
        await rig.start("c", "ulimit -c; exec sleep 1000")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert await settled(lambda: rig.log("c") == b"2048\n")  # in blocks of 512 bytes
    assert "Max core file size        0 " in Path(f"/proc/{rig.shims['c']}/limits").read_text()


async def test_nobody_but_those_named_is_a_client(rig: Rig) -> None:
    """The shim's socket and everything beside it are root's alone."""
    await rig.start("c", "sleep 1000")
    for path in [rig.run_root / "containers", *(rig.run_root / "containers").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0 or path.name == "intent.json", path


async def test_a_stream_that_is_closed_at_once(rig: Rig) -> None:
    client = Client(stdin=True)
    client.sock.close()
    process = await rig.start("c", "cat; exit 2", stdio=OPEN, clients=(client,))
    assert (await soon(process.wait())).code == 2


async def test_what_a_shim_keeps_is_there_for_the_next_engine(rig: Rig) -> None:
    process = await rig.start("c", "sleep 1000")
    ours, theirs = socket.socketpair()
    await process.keep("ends", [theirs.fileno()])
    theirs.close()
    process.disconnect()
    again = await rig.another_runtime().reconnect("c")
    assert again is not None
    (fd,) = await again.kept("ends")
    with socket.socket(fileno=fd) as kept:
        kept.sendall(b"still open")
    assert ours.recv(64) == b"still open"
    assert await again.kept("other") == []
    await again.keep("ends", [])
    assert ours.recv(64) == b"", "the shim let go of what was replaced by nothing"
