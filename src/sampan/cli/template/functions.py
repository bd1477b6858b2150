"""Which functions may templates call? Those of docker's formatter, and the built-in ones of text/template.

A function gets its arguments as Python values and raises ValueError with the reason when they do not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERB = re.compile(r"%([-+ #0]*)([0-9]{0,4})(\.[0-9]{0,4})?([a-zA-Z%])")


class Nil:
    """An absent list or map: false, empty, null in JSON, and printed as Go prints a nil of its type."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0


class NoValue:
    """The result of asking a map for a key that it does not have."""

    def __bool__(self) -> bool:
        return False


NO_VALUE = NoValue()
NIL_LIST, NIL_MAP = Nil("[]"), Nil("map[]")


def text_of(value: Any) -> str:
    """A value as Go's fmt prints it with %v."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if value is NO_VALUE:
        return "<no value>"
    if isinstance(value, Nil):
        return value.text
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, list | tuple):
        return "[" + " ".join(text_of(each) for each in value) + "]"
    if hasattr(value, "as_json"):
        value = value.as_json()
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{text_of(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def to_json(value: Any, *, escape_html: bool = False) -> str:
    """Compact JSON as Go's encoder writes it; with `escape_html`, <, > and & are escaped."""
    if hasattr(value, "as_json"):
        value, escape_html = value.as_json(), True
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=plain)
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e") if escape_html else text


def plain(value: Any) -> Any:
    """What JSON should say for a value that it does not know."""
    return value.as_json() if hasattr(value, "as_json") else None


def need_text(value: Any) -> str:
    """The value, which must be a string."""
    if not isinstance(value, str):
        raise ValueError(f"wrong type for value; expected string; got {text_of(value)}")
    return value


def need_number(value: Any) -> int:
    """The value, which must be a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"wrong type for value; expected a number; got {text_of(value)}")
    return value


def join(values: Any, separator: Any) -> str:
    """The texts of a list with a separator between them."""
    if not isinstance(values, list | tuple | Nil):
        raise ValueError("the first argument must be a list")
    return need_text(separator).join(need_text(each) for each in ([] if isinstance(values, Nil) else values))


def title(text: Any) -> str:
    """Each Word Starts Large."""
    return re.sub(r"\b\w", lambda match: match.group().upper(), need_text(text))


def pad(text: Any, before: Any, after: Any) -> str:
    """Spaces around a text that is not empty."""
    return f"{' ' * need_number(before)}{text}{' ' * need_number(after)}" if need_text(text) else ""


def index(value: Any, *keys: Any) -> Any:
    """value[key][key]…: lists by number, maps by name."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(need_text(key), NO_VALUE)
        elif isinstance(value, list | str):
            if not -1 < need_number(key) < len(value):
                raise ValueError(f"error calling index: index out of range: {key}")
            value = value[key]
        elif isinstance(value, Nil):
            if not isinstance(key, str):
                raise ValueError(f"error calling index: index out of range: {key}")
            value = NO_VALUE
        else:
            raise ValueError(f"error calling index: can't index item of value {text_of(value)}")
    return value


def cut(value: Any, *bounds: Any) -> Any:
    """value[from:to]."""
    start, end = [*(need_number(bound) for bound in bounds), None, None][:2]
    if (start or 0) > len(value) or (end or 0) > len(value):
        raise ValueError(f"error calling slice: index out of range: {end if end is not None else start}")
    return value[start:end]


def length(value: Any) -> int:
    """How many elements; the bytes of a string."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if not isinstance(value, list | dict | Nil):
        raise ValueError(f"error calling len: len of {text_of(value)}")
    return len(value)


def comparable(first: Any, second: Any) -> None:
    """Both must be strings, or both numbers, or both booleans."""
    kinds = [
        bool if isinstance(each, bool) else float if isinstance(each, int | float) else str for each in (first, second)
    ]
    known = all(isinstance(each, str | int | float) for each in (first, second))
    if not known or kinds[0] is not kinds[1]:
        raise ValueError("incompatible types for comparison")


def equal(first: Any, *others: Any) -> bool:
    """Whether the first argument equals any of the others."""
    if not others:
        raise ValueError("missing argument for comparison")
    for other in others:
        if first is None or other is None or first is NO_VALUE or other is NO_VALUE:
            if first is other:
                return True
            continue
        comparable(first, other)
        if first == other:
            return True
    return False


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """lt, le, gt and ge."""

    def call(first: Any, second: Any) -> bool:
        comparable(first, second)
        return compare(first, second)

    return call


def printf(form: Any, *values: Any) -> str:
    """fmt.Sprintf with the verbs v s q d x X o b t f g e c; widths have at most four digits."""
    rest = list(values)

    def replace(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        return format_verb(rest.pop(0), flags, width, precision or "", verb)

    text = VERB.sub(replace, need_text(form))
    extra = ", ".join(text_of(each) for each in rest)
    return f"{text}%!(EXTRA {extra})" if rest else text


def format_verb(value: Any, flags: str, width: str, precision: str, verb: str) -> str:
    """One verb of printf."""
    if verb in "dxXobc" and isinstance(value, int):
        text = chr(value) if verb == "c" else format(value, ("+" if "+" in flags else "") + verb)
    elif verb in "feEgG" and isinstance(value, int | float):
        text = format(float(value), precision + verb)
    elif verb == "q":
        text = json.dumps(text_of(value), ensure_ascii=False)
    elif verb in "xX" and isinstance(value, str):
        text = value.encode("utf-8", "surrogateescape").hex()
    elif verb in "vst":
        text = text_of(value)
        text = text[: int(precision[1:] or 0)] if precision and verb == "s" else text
    else:
        return f"%!{verb}({text_of(value)})"
    if not width:
        return text
    if "-" in flags:
        return text.ljust(int(width))
    return text.zfill(int(width)) if "0" in flags and isinstance(value, int | float) else text.rjust(int(width))


def spaced(*values: Any) -> str:
    """fmt.Sprint: a space between neighbours when neither is a string."""
    text = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            text += " "
        text += text_of(value)
    return text


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": equal,
    "ge": ordered(lambda first, second: first >= second),
    "gt": ordered(lambda first, second: first > second),
    "index": index,
    "join": join,
    "json": to_json,
    "le": ordered(lambda first, second: first <= second),
    "len": length,
    "lower": lambda text: need_text(text).lower(),
    "lt": ordered(lambda first, second: first < second),
    "ne": lambda first, second: not equal(first, second),
    "not": lambda value: not value,
    "pad": pad,
    "print": spaced,
    "printf": printf,
    "println": lambda *values: " ".join(text_of(value) for value in values) + "\n",
    "slice": cut,
    "split": lambda text, separator: need_text(text).split(separator) if separator else list(text),
    "title": title,
    "truncate": lambda text, width: need_text(text)[: need_number(width)],
    "upper": lambda text: need_text(text).upper(),
}
# They stop at the first argument that decides, so the evaluator calls them itself.
LAZY = ("and", "or")
