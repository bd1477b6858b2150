"""Rows G of the security catalogue that concern the engine as a whole: its API, its log, and what it watches."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import Client, Engine, eventually
from expect import DETACHED, IMAGE, Docker
from rawhttp import call

SECRET = "hunter2-marker"


def resident_kilobytes(pid: int) -> int:
    """Memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def test_secrets_do_not_reach_the_log(own_engine: Engine) -> None:
    """G06: with debug on, neither credentials nor variables of containers are in the daemon's words."""
    own_engine.stop()
    own_engine.flags = (*own_engine.flags, "--debug")
    own_engine.start()
    own_engine.docker("run", "--rm", "--network", "none", "-e", f"PASSWORD={SECRET}", IMAGE, "true")
    call(own_engine.socket, "POST", "/auth", {"username": "u", "password": SECRET, "serveraddress": "127.0.0.1:9"})
    header = {"X-Registry-Auth": SECRET}
    call(own_engine.socket, "POST", "/images/create?fromImage=127.0.0.1:9/x&tag=1", headers=header)
    call(own_engine.socket, "POST", "/containers/create", {"Image": IMAGE, "Env": [f"T={SECRET}"], "User": 5})
    log = own_engine.log.read_text()
    assert "called method=POST path='/auth'" in log
    assert SECRET not in log


def test_a_huge_range_is_refused_without_being_counted(engine: Client) -> None:
    """G07: `0-4294967295` as a set of processors costs no memory."""
    pid = engine.pid if isinstance(engine, Engine) else 0
    before = resident_kilobytes(pid) if pid else 0
    for wanted in ("0-4294967295", "0-" + "9" * 4000, "1-0", "0-65535,0-65535"):
        body = {"Image": IMAGE, "HostConfig": {"CpusetCpus": wanted}}
        assert call(engine.socket, "POST", "/containers/create", body).status == 400
    if pid:
        assert resident_kilobytes(pid) - before < 20_000


def test_no_second_protocol_is_spoken(engine: Client) -> None:
    """G09: HTTP/2's preface, and a request to switch to it, get nothing but HTTP/1.1."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(engine.socket)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        answer = connection.recv(4096)
        assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 505", b"HTTP/1.0 400")) or not answer, answer
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    assert call(engine.socket, "GET", "/_ping", headers=upgrade).status == 200


@pytest.mark.parametrize(
    "name", ["%2e%2e", "..%2f..%2fetc%2fpasswd", "a%00b", "%ff%fe", "%F0%9F%90%B3", "x" * 60_000, "a%0d%0ab", "%25s"]
)
def test_names_in_paths_lead_nowhere(engine: Client, name: str) -> None:
    """G11: what names nothing is not found, or no name at all."""
    for target in (f"/containers/{name}/json", f"/exec/{name}/json", f"/images/{name}/json", f"/volumes/{name}"):
        answer = call(engine.socket, "GET", target)
        assert answer.status in (400, 404), (target[:60], answer.status)
        assert b"Traceback" not in answer.body
    assert call(engine.socket, "GET", "/_ping").body == b"OK"


def test_a_check_that_talks_without_end_costs_four_kilobytes(engine: Client, docker: Docker, name: str) -> None:
    """G13: a health check's gigabyte is read and dropped, one check at a time, and no process stays behind."""
    pid = engine.pid if isinstance(engine, Engine) else 0
    before = resident_kilobytes(pid) if pid else 0
    check = (
        "--health-cmd",
        "yes | head -c 100000000; echo end",
        "--health-interval",
        "100ms",
        "--health-timeout",
        "1s",
    )
    docker(*DETACHED, "--name", name, *check, IMAGE, "sleep", "1000")
    look = ("inspect", "-f", "{{range .State.Health.Log}}{{len .Output}} {{end}}", name)
    assert eventually(lambda: len(docker(*look).stdout.split()) >= 3, 30)
    assert max(map(int, docker(*look).stdout.split())) <= 4096 + len("Health check exceeded timeout (1s): ...")
    running = docker("top", name, "-o", "args").stdout.splitlines()
    assert len(running) <= 6, running
    if pid:
        assert resident_kilobytes(pid) - before < 30_000


def test_filters_cannot_keep_the_engine_busy(engine: Client) -> None:
    """G16: thousands of filter values and patterns that backtrack are answered, or refused, at once."""
    many = ",".join(f'"x{number}":true' for number in range(20_000))
    for target in (
        "/containers/json?filters=" + '{"name":{"(a%2B)%2B$":true}}',
        "/containers/json?filters=" + '{"name":{"' + "x" * 5000 + '":true}}',
    ):
        assert call(engine.socket, "GET", target).status == 400
    answer = call(engine.socket, "GET", '/events?since=0&until=1&filters={"container":{' + many[:50_000] + "}}")
    assert answer.status in (200, 400)
    assert call(engine.socket, "GET", "/_ping").status == 200


def test_one_name_has_one_owner_however_many_ask_at_once(engine: Client, name: str) -> None:
    """G17: of many containers that are created or renamed with one name at the same time, one has it."""
    body = {"Image": IMAGE, "HostConfig": {"NetworkMode": "none"}}
    target = f"{name}-target"

    def create(wanted: str) -> int:
        return call(engine.socket, "POST", f"/containers/create?name={wanted}", body).status

    def rename(number: int) -> int:
        return call(engine.socket, "POST", f"/containers/{name}-{number}/rename?name={target}").status

    try:
        with ThreadPoolExecutor(16) as pool:
            assert sorted(pool.map(create, [name] * 32)) == [201] + [409] * 31
            assert [create(f"{name}-{number}") for number in range(8)] == [201] * 8
            assert sorted(pool.map(rename, range(8))) == [204] + [409] * 7
    finally:
        names = [name, f"{name}-target", *(f"{name}-{number}" for number in range(8))]
        engine.docker("rm", "-f", *names)


def test_a_failure_inside_tells_nothing_of_the_inside(engine: Client) -> None:
    """G18: what clients are told never has a traceback or the source's paths in it."""
    source = str(Path(__file__).resolve().parents[2] / "src")
    for method, target, body in (
        ("POST", "/containers/create", b"\x00\xff"),
        ("POST", "/containers/create", {"Image": "nosuch:1"}),
        ("POST", "/images/load", b"not a tar"),
        ("POST", "/build", b"not a tar"),
        ("GET", "/containers/json?filters=%5B", None),
        ("PUT", "/containers/x/archive?path=/", b"x"),
    ):
        answer = call(engine.socket, method, target, body)
        assert b"Traceback" not in answer.body and source.encode() not in answer.body, (target, answer.body)
