"""How are bytes from a stranger turned into JSON values?

Strictly, and in one place: the engine reads a body exactly one way, so nobody in front of it (an authorization plugin,
a proxy) can be led to see another body than the one that is executed. Refused, each with a sentence:

    duplicate keys · NaN and Infinity · more than DEPTH_LIMIT levels · text that is not UTF-8 · unpaired surrogates
    NUL characters (no path, argument or name may hold one) · numbers of thousands of digits · anything after the value

RFC 8259; what dockerd's decoder (Go encoding/json) lets pass beyond that is deliberately not let pass here. Standard
library only: the command line's hot path imports this.
"""

import json
import re
from typing import Any

from sampan.errors import InvalidRequest

BODY_LIMIT = 4 << 20
"""Bytes of JSON in one request; dockerd hands at most as much to its authorization plugins."""

DEPTH_LIMIT = 64
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")


def parse(data: bytes | str, *, limit: int = BODY_LIMIT) -> Any:
    """The value that `data` holds; raises InvalidRequest with dockerd's prefix, `invalid JSON: …`."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(raw) > limit:
        raise InvalidRequest(f"invalid JSON: {len(raw)} bytes are more than the limit of {limit}")
    if not raw.strip():
        raise InvalidRequest("invalid JSON: got EOF while reading request body")
    _refuse_depth(raw)
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"invalid JSON: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(_sentence(error)) from None
    except ValueError:
        # int() refuses more digits than sys.get_int_max_str_digits(): quadratic work otherwise.
        raise InvalidRequest("invalid JSON: a number has too many digits") from None
    except RecursionError:
        raise InvalidRequest("invalid JSON: nested too deeply") from None
    if _SUSPECT_ESCAPE.search(raw):
        _refuse_text(value)
    return value


def _sentence(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return "unexpected content after JSON"
    return f"invalid JSON: {error.msg} (line {error.lineno}, column {error.colno})"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidRequest(f"invalid JSON: {twice!r} is given twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise InvalidRequest(f"invalid JSON: {name} is not a number")


def _refuse_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_LIMIT:
        return
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", raw)):
        depth += 1 if bracket.group() in b"[{" else -1
        if depth > DEPTH_LIMIT:
            raise InvalidRequest(f"invalid JSON: nested more than {DEPTH_LIMIT} levels deep")


def _refuse_text(value: Any) -> None:
    """Walks the value: only called when the bytes hold an escape that may spell a surrogate or NUL."""
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_text(key)
            _refuse_text(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_text(item)
    elif isinstance(value, str):
        if "\0" in value:
            raise InvalidRequest("invalid JSON: a string holds a NUL character")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidRequest("invalid JSON: a string holds half a surrogate pair")
