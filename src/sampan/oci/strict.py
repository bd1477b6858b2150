"""Which JSON is believed when it comes inside an image?

Documents of images are addressed by their bytes, so two readers must never see two meanings in them (security.md P8).
Refused: duplicate keys, NaN and Infinity, lone surrogates, bytes that are not UTF-8, anything after the value,
documents that are too large or nest too deeply. `json.loads` alone would let all but the last three pass.
"""

import json
from typing import Any, NoReturn

from sampan.errors import InvalidRequest

MAX_BYTES = 4 << 20
MAX_DEPTH = 100
# Python refuses to convert longer numbers anyway, but with a ValueError that names its own setting.
MAX_DIGITS = 64


def decode(data: bytes, *, what: str = "document", max_bytes: int = MAX_BYTES) -> Any:
    """The value of a JSON document. Raises InvalidRequest, whose text begins with `what`."""
    if len(data) > max_bytes:
        raise InvalidRequest(f"{what} is too large: {len(data)} bytes, at most {max_bytes}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{what} is not valid JSON: not UTF-8 at byte {error.start}") from None
    if _depth(text) > MAX_DEPTH:
        raise InvalidRequest(f"{what} is not valid JSON: nested more than {MAX_DEPTH} deep")
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{what} is not valid JSON: {error}") from None
    if "\\u" in text:
        _refuse_surrogates(value, what)
    return value


def encode(value: Any) -> bytes:
    """Compact JSON as Go writes it: `<`, `>`, `&` and the line separators U+2028, U+2029 are escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def _depth(text: str) -> int:
    """How deep brackets nest outside of strings; never less than the truth, and counted without recursion."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"duplicate key {key[:64]!r}")
            seen.add(key)
    return members


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")  # as Infinity it could not be written again
    return value


def _refuse_surrogates(value: Any, what: str) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            try:
                item.encode()
            except UnicodeEncodeError:
                raise InvalidRequest(f"{what} is not valid JSON: a string holds half a surrogate pair") from None
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float)
