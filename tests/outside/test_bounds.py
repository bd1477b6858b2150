"""Do half a request, a flood and a crowd cost the engine little, and others nothing?"""

import contextlib
import os
import socket
from pathlib import Path

from engine import Client, Engine, eventually
from expect import DETACHED, IMAGE, Docker, says
from rawhttp import call, connect, exchange

MEGABYTE = 1 << 20


def resident(pid: int) -> int:
    """Resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """Open files of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_half_a_request_does_not_hold_others_up(engine: Client) -> None:
    halves = [b"GET /_pi", b"GET /_ping HTTP/1.1\r\nHost:", b"POST /containers/create HTTP/1.1\r\nHost: x\r\n"
              b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"Ima"]  # fmt: skip
    with contextlib.ExitStack() as held:
        for half in halves * 20:
            connection = held.enter_context(connect(engine.socket))
            connection.sendall(half)
        assert call(engine.socket, "GET", "/_ping").status == 200
    assert call(engine.socket, "GET", "/_ping").status == 200


def test_half_a_body_is_an_error(engine: Client) -> None:
    head = (
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    )
    said = exchange(engine.socket, head + b'{"Ima', end=True)
    assert said == b"" or said.split()[1] in (b"400", b"500"), said
    assert b"Traceback" not in said


def test_a_gigabyte_of_json_is_refused_early(own_engine: Engine) -> None:
    head = (
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    before = resident(own_engine.pid)
    with connect(own_engine.socket, 30) as connection:
        connection.sendall(head % (1 << 30) + b'{"Image":"')
        sent = 0
        with contextlib.suppress(OSError):  # it may hang up at once: so much the better
            while sent < 1 << 30 and not readable(connection):
                sent += connection.send(b"x" * MEGABYTE)
        answer = receive(connection)
    assert sent < 64 * MEGABYTE, "it went on reading"
    assert answer == b"" or answer.split()[1] in (b"400", b"413"), answer
    assert resident(own_engine.pid) - before < 64 * MEGABYTE
    assert own_engine.answers()


def readable(connection: socket.socket) -> bool:
    """Whether the other side has said something, or hung up."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(30)
    return True


def receive(connection: socket.socket) -> bytes:
    """What the other side said, as far as it can be read."""
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def test_connections_that_come_and_go_leave_nothing(own_engine: Engine) -> None:
    own_engine.docker("run", "-d", "--network", "none", "--name", "quiet", IMAGE, "sleep", "1000")
    hijack = b" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    plain = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    requests = [
        b"POST /containers/quiet/attach?stream=1&stdout=1&stdin=1" + hijack,
        b"GET /containers/quiet/logs?follow=1&stdout=1" + plain,
        b"POST /containers/quiet/wait" + plain,
        b"GET /events" + plain,
    ]

    def crowd() -> None:
        with contextlib.ExitStack() as held:
            for request in requests * 10:
                connection = held.enter_context(connect(own_engine.socket))
                connection.sendall(request)
                connection.recv(100)

    crowd()
    shim = shim_of(own_engine, "quiet")
    before, in_shim = descriptors(own_engine.pid), descriptors(shim)
    crowd()
    crowd()
    assert eventually(lambda: descriptors(own_engine.pid) <= before), "the daemon keeps connections"
    assert eventually(lambda: descriptors(shim) <= in_shim), "the shim keeps connections"


def shim_of(engine: Engine, name: str) -> int:
    """The parent of a container's first process."""
    pid = engine.docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_flood_of_output_costs_a_megabyte(own_engine: Engine) -> None:
    script = "while [ ! -e /go ]; do sleep 0.02; done; yes 0123456789abcdef | head -c 50000000; sleep 1000"
    own_engine.docker(*DETACHED, "--name", "flood", IMAGE, "sh", "-c", script)
    stuck = [own_engine.spawn("attach", "--no-stdin", "flood") for _ in range(5)]  # none of them is read
    shim = shim_of(own_engine, "flood")
    before = resident(own_engine.pid), resident(shim)
    own_engine.docker("exec", "flood", "touch", "/go")
    try:
        assert eventually(lambda: "sleep" in own_engine.docker("top", "flood").stdout.split("\n")[-2], 60)
        assert resident(own_engine.pid) - before[0] < 32 * MEGABYTE
        assert resident(shim) - before[1] < 6 * MEGABYTE
    finally:
        for client in stuck:
            client.kill()
            client.communicate()


def test_a_fork_bomb_stays_in_its_box(docker: Docker, name: str) -> None:
    says(
        docker(*DETACHED, "--pids-limit", "64", "--name", name, IMAGE, "sh", "-c", "f() { f | f & }; f; sleep 1000"),
        ".*",
    )
    says(docker("ps", "-q", "--filter", f"name={name}"), "[0-9a-f]{12}\n")
    says(docker("rm", "-f", name), f"{name}\n")
