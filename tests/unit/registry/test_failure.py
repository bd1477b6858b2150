"""What a registry's refusals become."""

import json

import pytest

from sampan.errors import InvalidRequest, SampanError
from sampan.registry.auth import Unauthorized
from sampan.registry.failure import Absent, Denied, RegistryError, of_exception, of_status, shown_url


def body(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": {"x": 1}}]}).encode()


@pytest.mark.parametrize(
    ("status", "data", "kind", "sentence"),
    [
        (404, body("MANIFEST_UNKNOWN", "manifest unknown"), Absent, "manifest unknown: manifest unknown"),
        (404, b"<html>", Absent, "received unexpected HTTP status: 404 Reason"),
        (401, body("UNAUTHORIZED", "authentication required"), Unauthorized, "unauthorized: authentication required"),
        (403, b"", Denied, "denied: requested access to the resource is denied"),
        (400, body("DIGEST_INVALID", "no"), InvalidRequest, "digest invalid: no"),
        (500, b"", RegistryError, "received unexpected HTTP status: 500 Reason"),
        (503, b"\xff" * 100, RegistryError, "received unexpected HTTP status: 503 Reason"),
        (418, b"[]", RegistryError, "received unexpected HTTP status: 418 Reason"),
        (500, body("X", "a\x1b[2Jb\nc" + "d" * 5000), RegistryError, "x: a [2Jb cddd"),
    ],
)
def test_a_status_becomes_a_sentence(status: int, data: bytes, kind: type[SampanError], sentence: str) -> None:
    error = of_status(status, "Reason", data)
    assert type(error) is kind
    assert str(error).startswith(sentence)
    assert len(str(error)) < 1000
    assert "\x1b" not in str(error)


def test_what_may_pass_is_told_from_what_will_not() -> None:
    assert [getattr(of_status(code, "", b""), "passes", False) for code in (500, 503, 429, 404, 403, 418)] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("", 0), ("soon", 0), ("99999999", 0), ("-1", 0), ("٣", 0)])
def test_a_wait_that_was_asked_for(header: str, seconds: float) -> None:
    error = of_status(429, "", b"", retry_after=header)
    assert isinstance(error, RegistryError)
    assert error.wait_seconds == seconds


def test_urls_are_shown_without_secrets() -> None:
    """D10: the query of a signed URL is one."""
    assert shown_url("https://me:secret@a/b?sig=secret#x") == "https://a/b"
    assert "secret" not in str(of_exception(TimeoutError(), "GET", "https://a/b?sig=secret"))
