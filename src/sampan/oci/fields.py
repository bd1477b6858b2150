"""Is this member of a JSON object what its specification says?

Readers for members of decoded JSON. `null` counts as absent, as Go's decoder has it; any other type than the one asked
for raises InvalidRequest with the member's full name, e.g. `image config: config.Env must be a list of strings`.
"""

from collections.abc import Mapping
from typing import Any

from sampan.errors import InvalidRequest


class Fields:
    """The members of one JSON object; `where` is its name in messages."""

    __slots__ = ("_members", "_where")

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise InvalidRequest(f"{where} must be an object")
        self._members: dict[str, Any] = value
        self._where = where

    def text(self, name: str, default: str = "") -> str:
        """A string."""
        value = self._members.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def number(self, name: str, default: int | None = None) -> int | None:
        """A whole number that fits in 63 bits and is not negative."""
        value = self._members.get(name)
        if value is None:
            return default
        # bool is an int in Python, but `true` is no number in JSON.
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
            raise self._wrong(name, "a whole number, 0 or more")
        return value

    def flag(self, name: str) -> bool:
        """true or false."""
        value = self._members.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of strings; None when absent, which differs from an empty list when shown."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "a list of strings")
        return tuple(value)

    def words(self, name: str) -> tuple[str, ...] | None:
        """A list of strings, or one string standing for a list of one (docker's strslice)."""
        value = self._members.get(name)
        return (value,) if isinstance(value, str) else self.texts(name)

    def mapping(self, name: str) -> Mapping[str, str] | None:
        """An object whose values are strings."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self._wrong(name, "an object of strings")
        return value

    def names(self, name: str) -> tuple[str, ...] | None:
        """An object used as a set: `{"80/tcp": {}}`. The order is the document's."""
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, dict) or not all(item is None or item == {} for item in value.values()):
            raise self._wrong(name, "an object with empty objects as values")
        return tuple(value)

    def inner(self, name: str) -> "Fields | None":
        """A nested object."""
        value = self._members.get(name)
        return None if value is None else Fields(value, self._full(name))

    def items(self, name: str) -> list["Fields"]:
        """A list of nested objects."""
        value = self._members.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, "a list of objects")
        return [Fields(item, f"{self._full(name)}[{position}]") for position, item in enumerate(value)]

    def count(self, name: str) -> int:
        """How many entries a list has; 0 where there is none. Cheap, to be asked before `items`."""
        value = self._members.get(name)
        return len(value) if isinstance(value, list) else 0

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        return self._members.get(name) is not None

    def error(self, name: str, problem: str) -> InvalidRequest:
        """An error about one member."""
        return InvalidRequest(f"{self._full(name)} {problem}")

    def _full(self, name: str) -> str:
        separator = ": " if " " in self._where and "." not in self._where and ":" not in self._where else "."
        return f"{self._where}{separator}{name}"

    def _wrong(self, name: str, expected: str) -> InvalidRequest:
        return self.error(name, f"must be {expected}")
