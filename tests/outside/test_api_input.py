"""Does a request that no good client sends get dockerd's answer: a number, a sentence, and an engine that lives?"""

import json

import pytest

from archives import file, tar
from engine import Client
from expect import IMAGE, LABEL, OUTSIDE
from rawhttp import Answer, call, exchange

# dockerd before 24 answered 500 to a body that is no JSON.
MALFORMED = (400, 500) if OUTSIDE else (400,)
# … refused these when the container was started …
AT_START = (201, 400) if OUTSIDE else (400,)
# … and sent whoever climbs in a path to where that leads.
CLIMBING = (301,) if OUTSIDE else (400, 404)


def refusal(answer: Answer, status: int | tuple[int, ...], sense: str = "") -> None:
    """The answer must have this status and a sentence that contains `sense`."""
    assert answer.status in (status if isinstance(status, tuple) else (status,)), answer
    assert sense.lower() in answer.message().lower(), answer
    assert list(answer.json()) == ["message"]
    assert "Traceback" not in answer.message()


def test_ping(engine: Client) -> None:
    for method in ("GET", "HEAD"):
        for path in ("/_ping", "/v1.30/_ping"):
            answer = call(engine.socket, method, path)
            assert answer.status == 200
            assert answer.body == (b"OK" if method == "GET" else b"")
            assert answer.headers["ostype"] == "linux"
            assert float(answer.headers["api-version"]) >= 1.41


@pytest.mark.parametrize("version", ["1.24", "1.30", "1.41"])
def test_versions_that_are_served(engine: Client, version: str) -> None:
    assert call(engine.socket, "GET", f"/v{version}/containers/json").status == 200


def test_versions_that_are_not(engine: Client) -> None:
    answer = call(engine.socket, "GET", "/v1.99/containers/json")
    refusal(answer, 400, "client version 1.99 is too new. Maximum supported API version is 1.")
    answer = call(engine.socket, "GET", "/v1.0/containers/json")
    assert (answer.status, b"client version 1.0 is too old. Minimum supported API version is" in answer.body) == (
        400,
        True,
    )


@pytest.mark.parametrize("method, path", [
    ("GET", "/nosuch"), ("GET", "/v1.41/nosuch"), ("POST", "/containers/json"), ("PUT", "/_ping"), ("GET", "/vX/info"),
])  # fmt: skip
def test_routes_that_are_not_there(engine: Client, method: str, path: str) -> None:
    refusal(call(engine.socket, method, path), (404, 405), "page not found")


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'"x"', b"7", b'{"Image": 7}', b'{"Image": NaN}', b'{"Image": "a" "b"}', b"\xff\xfe",
    b"[" * 100000,
    b'{"a":' * 100000, b'{"HostConfig": []}', b'{"Image": "x", "HostConfig": {"Memory": 1180591620717411303424}}',
    b'{"Image": "x", "HostConfig": {"Memory": "1"}}', b'{"Image": "x", "HostConfig": {"Memory": 1.5}}',
    b'{"Cmd": {"a": 1}}',
], ids=lambda body: body[:30].decode(errors="replace"))  # fmt: skip
def test_bodies_that_are_not_what_they_should_be(engine: Client, body: bytes) -> None:
    refusal(call(engine.socket, "POST", "/containers/create", body), MALFORMED)


@pytest.mark.skipif(
    bool(OUTSIDE), reason="Go's decoder takes the last of two keys, and does not read on after the value"
)
@pytest.mark.parametrize("body", [b'{"Image":"a","Image":"b"}', b'{"Image":"a"} trailing'])
def test_bodies_that_two_parsers_could_read_differently(engine: Client, body: bytes) -> None:
    refusal(call(engine.socket, "POST", "/containers/create", body), 400)


def test_bodies_that_make_no_sense(engine: Client) -> None:
    refusal(call(engine.socket, "POST", "/containers/create", b"null"), 400, "cannot be empty in order to create")
    refusal(call(engine.socket, "POST", "/containers/create", b"{}"), 400, "")
    refusal(call(engine.socket, "POST", "/containers/create", {"Image": "nosuch"}), 404, "No such image: nosuch:latest")
    text = {"Content-Type": "text/plain"}
    refusal(call(engine.socket, "POST", "/containers/create", b"{}", text), 400, "text/plain")


def create(engine: Client, **body: object) -> Answer:
    """One POST /containers/create of a container that would run `true`."""
    key, _, value = LABEL.partition("=")
    asked = {"Image": IMAGE, "Cmd": ["true"], "Labels": {key: value}, **body}
    asked["HostConfig"] = {"NetworkMode": "none", **asked.get("HostConfig", {})}  # type: ignore[dict-item]
    return call(engine.socket, "POST", "/containers/create", asked)


@pytest.mark.parametrize("host_config, status, sense", [
    ({"Memory": 1}, 400, "minimum memory limit allowed is 6MB"),
    ({"Memory": -1}, 400, "memory"),
    ({"NanoCpus": 10**15}, 400, "range of CPUs"),
    ({"NanoCpus": 10**9, "CpuQuota": 1000}, 400, "conflicting options"),
    ({"CpusetCpus": "0-4294967295"}, 400, "cpu"),
    ({"ShmSize": -1}, 400, "SHM size"),
    ({"OomScoreAdj": 5000}, 400, "[-1000, 1000]"),
    ({"IpcMode": "bogus"}, AT_START, "invalid IPC mode: bogus"),
    ({"PidMode": "bogus"}, AT_START, "invalid PID mode"),
    ({"UTSMode": "bogus"}, AT_START, "invalid UTS mode"),
    ({"CgroupnsMode": "bogus"}, 400, "invalid cgroup namespace mode"),
    ({"RestartPolicy": {"Name": "bogus"}}, 400, "bogus"),
    ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, 400, "restart policy"),
    ({"CapAdd": ["NOSUCH"]}, 400, "unknown capability"),
    ({"Privileged": "yes"}, MALFORMED, ""),
    ({"LogConfig": {"Type": "json-file", "Config": {"bogus": "1"}}}, 400, "unknown log opt 'bogus'"),
], ids=str)  # fmt: skip
def test_settings_that_cannot_be(engine: Client, host_config: object, status: int, sense: str) -> None:
    answer = create(engine, HostConfig=host_config)
    if answer.status == 201:
        call(engine.socket, "DELETE", f"/containers/{answer.json()['Id']}?force=1")
        assert status == AT_START and OUTSIDE, "it was taken"
    else:
        refusal(answer, status, sense)


def test_a_name_that_cannot_be(engine: Client) -> None:
    body = {"Image": IMAGE, "Cmd": ["true"]}
    for name in ("_bad", "a%2Fb", "..%2Fx", "a%20b", "%00", "%0A", "%F0%9F%98%80"):
        answer = call(engine.socket, "POST", f"/containers/create?name={name}", body)
        refusal(answer, 400, "invalid container name")


@pytest.mark.parametrize("method, path, status, sense", [
    ("GET", "/containers/nosuch/json", 404, "No such container: nosuch"),
    ("GET", "/containers/..%2F..%2Fetc/json", CLIMBING, ""),
    ("GET", f"/containers/{'x' * 60000}/json", 404, ""),
    ("POST", "/containers/nosuch/start", 404, "No such container: nosuch"),
    ("GET", "/containers/nosuch/logs", 400, "you must choose at least one stream"),
    ("GET", "/containers/json?filters=bogus", MALFORMED, ""),
    ("GET", '/containers/json?filters={"bogus":["1"]}', 400, "invalid filter 'bogus'"),
    ("GET", "/containers/json?limit=x", MALFORMED, "x"),
    ("POST", "/containers/nosuch/resize?h=1&w=x", 400, "x"),
    ("POST", "/containers/nosuch/kill?signal=BOGUS", (400, 404), ""),
    ("GET", "/exec/nosuch/json", 404, "No such exec instance: nosuch"),
    ("POST", "/containers/nosuch/wait?condition=bogus", (400, 404), ""),
    ("GET", "/images/nosuch/json", 404, "No such image: nosuch"),
    ("GET", "/images/..%2F..%2Fetc%2Fpasswd/json", CLIMBING, ""),
    ("DELETE", "/images/nosuch", 404, "No such image: nosuch"),
], ids=lambda value: str(value)[:50])  # fmt: skip
def test_things_that_are_not_there(engine: Client, method: str, path: str, status: int, sense: str) -> None:
    answer = call(engine.socket, method, path, b"{}" if method == "POST" else None)
    if answer.status == 301:
        assert status == CLIMBING
    else:
        refusal(answer, status, sense)


@pytest.mark.parametrize("request_line, status", [
    (b"garbage\r\n\r\n", b"400"),
    (b"GET /_ping HTTP/9.9\r\nHost: x\r\n\r\n", b"[45]0[05]"),
    (b"GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", b"400"),
    (b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
    (b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400|500"),
    (b"GET /_ping HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n", b"431|400"),
    (b"GET /_ping HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200_000 + b"\r\n", b"431|400"),
    (b"GET /_ping HTTP/1.1\r\nHost: x\r\nX\x00: y\r\n\r\n", b"400"),
], ids=lambda value: value[:60].decode())  # fmt: skip
def test_requests_that_are_no_http(engine: Client, request_line: bytes, status: bytes) -> None:
    said = exchange(engine.socket, request_line, end=True)
    assert said.startswith(b"HTTP/1.") or said == b"", said[:200]
    # One answer at most: what follows a bad request is not a second one. A closed connection is an answer too.
    assert said.count(b"HTTP/1.") <= 1
    assert not said.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")), said[:200]
    assert call(engine.socket, "GET", "/_ping").status == 200


@pytest.mark.parametrize("path", ["/containers/nosuch/attach?stream=1&stdout=1", "/exec/nosuch/start"])
def test_a_hijack_of_what_is_not_there(engine: Client, path: str) -> None:
    answer = call(engine.socket, "POST", path, b"{}", {"Connection": "Upgrade", "Upgrade": "tcp"})
    assert answer.status == 404
    assert b"No such" in answer.body


def test_an_error_is_json_with_a_newline_and_a_version(engine: Client) -> None:
    answer = call(engine.socket, "GET", "/v1.41/containers/nosuch/json")
    assert answer.headers["content-type"] == "application/json"
    assert "api-version" in answer.headers
    assert answer.body == json.dumps({"message": "No such container: nosuch"}, separators=(",", ":")).encode() + b"\n"


def test_a_body_that_comes_in_one_piece_with_its_head(engine: Client) -> None:
    archive = tar([file("x", bytes(512 << 10))])
    head = f"POST /images/create?fromSrc=-&repo=piece HTTP/1.1\r\nHost: x\r\nContent-Length: {len(archive)}\r\n"
    said = exchange(engine.socket, head.encode() + b"Content-Type: application/x-tar\r\n\r\n" + archive, end=True)
    assert said.startswith(b"HTTP/1.1 200")
    assert b"sha256:" in said
    assert call(engine.socket, "DELETE", "/images/piece").status == 200


def test_what_load_cannot_read_is_told_in_its_stream(engine: Client) -> None:
    answer = call(engine.socket, "POST", "/images/load", b"garbage", {"Content-Type": "application/x-tar"})
    assert answer.status == 200
    assert set(json.loads(answer.body)) == {"errorDetail", "error"}
