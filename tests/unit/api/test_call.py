"""Bodies: read once, up to a limit, and only when they are JSON (G03, G15, G18)."""

import contextlib
import json

import pytest

from sampan.wire.json import BODY_LIMIT

from .conftest import Served

JSON = "application/json"


def test_a_body_is_created_from(api: Served) -> None:
    status, _, body = api.request("POST", "/v1.44/containers/create", b'{"Image":"a"}', Content_Type=JSON)
    assert (status, json.loads(body)) == (201, {"Id": "0" * 64, "Warnings": []})
    assert api.containers.created[0].config.image == "a"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "invalid JSON: got EOF while reading request body"),
        (b"null", "config cannot be empty in order to create a container"),
        (b"{", "invalid JSON"),
        (b'{"Image":"a"}{}', "unexpected content after JSON"),
        (b'{"Image":5}', "Image"),
        (b'{"Image":"a","Image":"b"}', "given twice"),
        (b'{"HostConfig":{"Memory":NaN}}', "NaN"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_bad_json_is_refused_with_400(api: Served, body: bytes, sentence: str) -> None:
    status, message = api.message("POST", "/containers/create", body, Content_Type=JSON)
    assert status == 400
    assert sentence in message
    assert not api.containers.created


def test_a_body_that_does_not_say_it_is_json_is_refused(api: Served) -> None:
    status, message = api.message("POST", "/containers/create", b'{"Image":"a"}', Content_Type="text/plain")
    assert (status, message) == (400, "unsupported Content-Type header (text/plain): must be 'application/json'")


def test_a_body_that_claims_a_gigabyte_is_refused_unread(api: Served) -> None:
    with api.connect() as client:
        client.sendall(
            b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1073741824\r\n\r\n{"
        )
        answer = client.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"larger than the limit" in answer


def test_a_body_that_grows_in_chunks_is_cut_off(api: Served) -> None:
    with api.connect() as client:
        client.sendall(
            b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with contextlib.suppress(BrokenPipeError):  # the answer may come, and the end, before all has been sent
            for _ in range(BODY_LIMIT // 0x10000 + 1):
                client.sendall(chunk)
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 400")


def test_continue_is_said_before_the_body_is_expected(api: Served) -> None:
    with api.connect() as client:
        client.sendall(
            b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 13\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b'{"Image":"a"}')
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 201")
