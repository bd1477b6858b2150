"""How does a JSON body become a typed value, and a typed value JSON?

`decode` = strict JSON (`wire/json.py`) → Docker's looseness, decided here once → msgspec's types and ranges:

- Names. Docker's clients write `HostConfig`, but dockerd's decoder ignores case, and some clients lean on it. A field's
  name is accepted in any ASCII case; the same field in two spellings is refused, as it is how one body could mean two
  things. Keys of maps (labels, options) are data and keep their case.
- null. Means "not given", as in Go, for every field of an object.
- Unknown fields are passed over, as dockerd does: clients send fields of API versions to come.
- `StrSlice`. A command may be one string instead of a list.

Numbers are checked against the width that Docker's API gives them; `true` is not a number, `"5"` is not one either.
"""

from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from sampan.errors import InvalidRequest
from sampan.wire import json

T = TypeVar("T")
Normal = Callable[[Any], Any]

_ONE_OR_MANY = "one string stands for a list of one"
StrSlice = Annotated[list[str], Meta(extra={_ONE_OR_MANY: True})]
Int64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Uint32 = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
Uint16 = Annotated[int, Meta(ge=0, le=(1 << 16) - 1)]


def decode(data: bytes, kind: type[T], *, limit: int = json.BODY_LIMIT) -> T:
    """The body `data` as a `kind` (`null` and no body: `kind()`); raises InvalidRequest that names the field."""
    if not data:
        return kind()
    value = json.parse(data, limit=limit)
    return kind() if value is None else convert(value, kind)


def convert(value: Any, kind: type[T]) -> T:
    """The JSON value `value` as a `kind`, with the looseness described above."""
    normal = _normal_form(kind)  # type: ignore[arg-type]  # every type is hashable
    try:
        return msgspec.convert(normal(value) if normal else value, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"invalid JSON: {error}") from None


def encode(value: Any) -> bytes:
    """`value` (structs, dicts, lists, text, numbers) as compact JSON."""
    return msgspec.json.encode(value)


def to_dict(value: Struct) -> dict[str, Any]:
    """The struct as a dict in Docker's field names; fields that Docker leaves out when empty are left out."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    kind = type(value)
    for name in getattr(kind, "omitted_when_empty", ()):
        if not plain[name]:
            del plain[name]
    for name in getattr(kind, "omitted_when_null", ()):
        if plain[name] is None:
            del plain[name]
    return plain


@cache
def _normal_form(kind: Any) -> Normal | None:
    """What to do to a JSON value before it is converted to `kind`; None: nothing."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *marks = get_args(kind)
        if any(isinstance(mark, Meta) and _ONE_OR_MANY in (mark.extra or {}) for mark in marks):
            return lambda value: [value] if isinstance(value, str) else value
        return _normal_form(inner)
    if origin in (Union, UnionType):
        forms = [form for member in get_args(kind) if (form := _normal_form(member))]
        return forms[0] if forms else None
    if origin is list:
        each = _normal_form(get_args(kind)[0])
        return (lambda value: [each(v) for v in value] if isinstance(value, list) else value) if each else None
    if origin is dict:
        each_value = _normal_form(get_args(kind)[1])
        if each_value is None:
            return None
        return lambda value: {k: each_value(v) for k, v in value.items()} if isinstance(value, dict) else value
    return _struct_form(kind) if isinstance(kind, type) and issubclass(kind, Struct) else None


def _struct_form(kind: type[Struct]) -> Normal:
    fields = {field.encode_name: _normal_form(field.type) for field in msgspec.structs.fields(kind)}
    folded = {name.lower(): name for name in fields}

    def normal(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found: dict[str, Any] = {}
        for key, item in value.items():
            if not key.isascii():
                raise InvalidRequest(f"invalid JSON: {key!r} is not a field name")
            name = folded.get(key.lower())
            if name is None:
                continue
            if name in found:
                raise InvalidRequest(f"invalid JSON: {name!r} is given twice in one object (case does not count)")
            form = fields[name]
            found[name] = form(item) if form and item is not None else item
        return {name: item for name, item in found.items() if item is not None}

    return normal
