"""Does a container notice who reads it, and how? Clients that are slow, gone or too eager; floods both ways."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from kernel.shim_rig import (
    Client,
    Rig,
    descriptors,
    descriptors_at_rest,
    memory_kib,
    parent_of,
    process_of,
    settled,
    soon,
)
from sampan.runtime.client import LogOptions, Stdio

pytestmark = pytest.mark.needs_root
OPEN = Stdio(stdin_open=True, stdin_once=True)
LINE = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"
FLOOD_BYTES = 20_000_000
FLOOD = f"yes {LINE.decode().strip()} | head -c {FLOOD_BYTES}"
FLOODED = (LINE * (FLOOD_BYTES // len(LINE) + 1))[:FLOOD_BYTES]


async def test_a_hundred_readers_that_do_not_read(rig: Rig) -> None:
    """R13: the container does not wait, those who read get everything, memory stays bounded, sockets are freed."""
    eager = [Client(framed=False) for _ in range(5)]
    idle = [Client() for _ in range(75)]
    vanishing = [Client() for _ in range(20)]
    first = Client(stdin=True, stdout=False, stderr=False)
    process = await rig.start("c", f"read x; {FLOOD}; sleep 1000", stdio=OPEN, clients=(first,))
    shim = rig.shims["c"]
    for client in (*eager, *idle, *vanishing):
        await process.attach(client.stream)
    before, opened = memory_kib(shim), descriptors(shim)
    reading = [asyncio.create_task(client.wait_for_bytes(FLOOD_BYTES)) for client in eager]
    first.type(b"\n")
    await eager[0].wait_for_start()
    for client in vanishing:
        client.sock.close()
    assert await settled(lambda: written(rig) == FLOOD_BYTES), written(rig)
    growth = memory_kib(shim) - before
    for data in await soon(asyncio.gather(*reading)):
        assert data == FLOODED
    assert growth < 100 * 1024, f"{growth} KiB for a hundred readers"
    assert await settled(lambda: descriptors(shim) <= opened + len(idle) - len(vanishing) + 2)
    late = idle[0]  # it has read nothing so far, and still gets every byte
    assert unframed_length(await late.wait_for_bytes(FLOOD_BYTES)) > 0
    for client in idle:
        client.sock.close()
    assert await settled(lambda: descriptors(shim) <= opened - len(idle) - len(vanishing) + 2)
    assert memory_kib(shim) - before < 1024


def written(rig: Rig) -> int:
    """How much of the flood is in the log."""
    return len(rig.log("c"))


def unframed_length(data: bytes) -> int:
    """Bytes of payload in whole stdcopy frames; raises if they are not the flood's."""
    at = total = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        payload = data[at + 8 : at + 8 + length]
        assert payload == FLOODED[total : total + len(payload)]
        total += len(payload)
        at += 8 + length
    return total


async def test_readers_that_are_behind_get_the_end(rig: Rig) -> None:
    """The container has ended long ago; its shim stays until its output is taken."""
    slow = Client(framed=False)
    process = await rig.start("c", FLOOD, clients=(slow,))
    assert (await soon(process.wait())).code == 0
    assert await slow.rest() == FLOODED


async def test_without_a_log_a_slow_reader_is_let_go(rig: Rig) -> None:
    """What it has not had is kept up to a megabyte; then the container waits, seconds only. Who reads loses nothing."""
    slow, eager = Client(framed=False), Client(framed=False)
    process = await rig.start("c", FLOOD, clients=(slow, eager), log=LogOptions())
    assert await eager.rest() == FLOODED
    assert (await soon(process.wait())).code == 0
    got = await slow.rest()
    assert FLOODED.startswith(got), "what comes is the beginning, and nothing twice"


async def test_a_slow_reader_without_a_log_catches_up(rig: Rig) -> None:
    """Less than the megabyte: nothing is lost."""
    slow, gate = Client(framed=False), Client(stdin=True, stdout=False, stderr=False)
    script = f"yes {LINE.decode().strip()} | head -c 900000; read x; echo end"
    process = await rig.start("c", script, stdio=OPEN, clients=(slow, gate), log=LogOptions())
    assert await slow.wait_for_bytes(900_000) == FLOODED[:900_000]
    gate.type(b"\n")
    assert await slow.rest() == b"end\n"
    assert (await soon(process.wait())).code == 0


async def test_a_flood_of_input_waits(rig: Rig) -> None:
    """Nobody reads stdin: the client is stopped, the shim spends nothing, output still comes."""
    client = Client(stdin=True, framed=False)
    process = await rig.start("c", "echo ready; sleep 1000", stdio=OPEN, clients=(client,))
    await client.wait_for(b"ready\n")
    shim = rig.shims["c"]
    before = memory_kib(shim)
    sent = await asyncio.to_thread(fill, client.sock)
    assert sent < 4 << 20
    assert memory_kib(shim) - before < 1024
    joined = await process.exec("e", process_of("echo said >/proc/1/fd/1"), stdio=Stdio())
    assert await soon(joined.wait()) == 0
    assert await client.wait_for(b"said\n") == b"said\n"


def fill(sock: socket.socket) -> int:
    """Send until the other side takes no more for half a second; how much it took."""
    sock.settimeout(0.5)
    total = 0
    try:
        while total < 64 << 20:
            total += sock.send(b"x" * 65536)
    except TimeoutError:
        pass
    sock.settimeout(8)
    return total


async def test_a_reader_stays_behind_while_its_input_waits(rig: Rig) -> None:
    """Both directions of one socket are full; when the container reads again, both go on, and neither loses a byte."""
    client = Client(stdin=True, framed=False)
    script = f"{FLOOD}; echo flooded >&2; sha256sum >/dev/null; exit 3"
    process = await rig.start("c", script, stdio=OPEN, clients=(client,), log=None)
    sender = asyncio.to_thread(client.sock.sendall, b"y" * (8 << 20))
    sending = asyncio.create_task(sender)
    data = await client.wait_for_bytes(FLOOD_BYTES + len("flooded\n"))
    assert data == FLOODED + b"flooded\n"
    await soon(sending)
    client.sock.shutdown(socket.SHUT_WR)
    assert (await soon(process.wait())).code == 3


async def test_the_output_of_an_exec_that_nobody_reads(rig: Rig) -> None:
    """That process waits, nobody else does; when its client reads, all of it comes."""
    process = await rig.start("c", "sleep 1000")
    shim = rig.shims["c"]
    before = memory_kib(shim)
    client = Client(framed=False)
    joined = await process.exec("e", process_of(FLOOD), stdio=Stdio(), streams=[client.stream])
    other = Client(framed=False)
    second = await process.exec("f", process_of("echo ok"), stdio=Stdio(), streams=[other.stream])
    assert await other.rest() == b"ok\n"
    assert await soon(second.wait()) == 0
    assert memory_kib(shim) - before < 2048
    assert await client.rest() == FLOODED
    assert await soon(joined.wait()) == 0


async def test_a_slow_client_of_an_exec_that_has_ended(rig: Rig) -> None:
    process = await rig.start("c", "sleep 1000")
    client = Client(framed=False)
    script = f"yes {LINE.decode().strip()} | head -c 1000000"
    joined = await process.exec("e", process_of(script), stdio=Stdio(), streams=[client.stream])
    # All of it fits into the pipe and the socket: it ends although nobody reads.
    assert await soon(joined.wait()) == 0
    await process.signal(9)
    await soon(process.wait())
    assert await client.rest() == FLOODED[:1_000_000]


async def test_the_client_of_an_exec_vanishes(rig: Rig) -> None:
    """The process goes on, its output is dropped, and nothing stays open."""
    process = await rig.start("c", "sleep 1000")
    shim = rig.shims["c"]
    before = await descriptors_at_rest(shim)
    client = Client(stdin=True, framed=False)
    joined = await process.exec("e", process_of(f"{FLOOD}; exit 4"), stdio=OPEN, streams=[client.stream])
    client.sock.close()
    assert await soon(joined.wait()) == 4
    assert await settled(lambda: descriptors(shim) == before)
    assert parent_of(process.pid) == shim


async def test_garbage_on_the_control_socket(rig: Rig) -> None:
    """Half messages, no JSON, JSON that is no request, descriptors nobody asked for: the container does not notice."""
    process = await rig.start("c", "sleep 1000")
    shim = rig.shims["c"]
    before = await descriptors_at_rest(shim)
    path = rig.run_root / "containers" / "c" / "shim.sock"

    def frame(body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + body

    requests = [b"{}", b'{"op":"x"}', b'{"op":7}', b'{"op":["a"]}', b"[]", b"null", b"nonsense", b"", b'"' + b"a" * 99]
    requests += [b'{"op":"%s","id":1}' % op for op in (b"attach", b"exec", b"resize", b"update", b"signal", b"freeze")]
    requests += [b'{"op":"exec","stdio":7}', b'{"op":"signal","number":"x"}', b'{"op":"signal","number":99999}']
    requests += [b'{"op":"update","writes":[{"x":1}]}', b'{"op":"attach","stream":{},"fds":9}', b"[" * 100_000]
    requests += [b'{"op":"resize","rows":-1,"columns":99999999}', b'{"op":"state","fds":-1}', b"\xff\xfe" * 10]
    for body in [*map(frame, requests), b"\xff" * 8, b"\x00", frame(b'{"op"')[:6]]:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(short(path))
            null = os.open("/dev/null", os.O_RDONLY)
            try:
                socket.send_fds(sock, [body], [null, null])
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                os.close(null)
    # The engine's own connection still works, and so does a new one.
    await process.pause()
    await process.resume()
    joined = await process.exec("e", process_of("exit 3"), stdio=Stdio())
    assert await soon(joined.wait()) == 3
    assert await settled(lambda: descriptors(shim) == before), os.listdir(f"/proc/{shim}/fd")


def short(path: Path) -> str:
    """The same socket by a name that fits into an address."""
    directory = os.open(path.parent, os.O_PATH)
    return f"/proc/self/fd/{directory}/{path.name}"


async def test_an_engine_that_does_not_listen(rig: Rig) -> None:
    """News for an engine that reads nothing are not kept without end: it is disconnected, and may come back."""
    process = await rig.start("c", "sleep 1000")
    shim = rig.shims["c"]
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(short(rig.run_root / "containers" / "c" / "shim.sock"))
    before = memory_kib(shim)
    asked = b'{"op":"state","id":1}'
    deaf.settimeout(5)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100_000):
            deaf.sendall(len(asked).to_bytes(4, "big") + asked)
    deaf.close()
    assert memory_kib(shim) - before < 4096
    await process.signal(9)
    assert (await soon(process.wait())).code == 137
