"""Detach keys, by name."""

import pytest

from sampan.errors import InvalidRequest
from sampan.wire.detachkeys import DEFAULT, parse


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", DEFAULT),
        ("ctrl-p,ctrl-q", DEFAULT),
        ("a,x", b"ax"),
        ("ctrl-@", b"\0"),
        ("ctrl-[,DEL", b"\x1b\x7f"),
        ("ctrl-\\", b"\x1c"),
    ],
)
def test_keys(text: str, keys: bytes) -> None:
    assert parse(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-1", "ab", "a,", "ctrl-\u00e9", "\u00e9", ",".join("a" * 17)])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(text)
