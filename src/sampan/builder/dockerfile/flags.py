"""What do an instruction's `--flags` say? Sentences are BuildKit's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sampan.builder.dockerfile.errors import meant
from sampan.errors import InvalidRequest

TEXT, SWITCH, LIST = "text", "switch", "list"
TRUE, FALSE = ("true", "1", "t", "T", "TRUE", "True"), ("false", "0", "f", "F", "FALSE", "False")


@dataclass(frozen=True, slots=True)
class Flags:
    """The values that were given, by name."""

    values: Mapping[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The value, "" when the flag is not given."""
        return self.values[name][0] if name in self.values else ""

    def switch(self, name: str) -> bool:
        """Whether it is on."""
        return self.maybe(name) or False

    def maybe(self, name: str) -> bool | None:
        """On, off, or not given."""
        return self.values[name][0] in TRUE if name in self.values else None

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a flag that may be repeated."""
        return tuple(self.values.get(name, ()))


def parse_flags(given: Sequence[str], known: Mapping[str, str]) -> Flags:
    """The flags `--name[=value]` of an instruction that knows these. Raises InvalidRequest."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.removeprefix("--").partition("=")
        kind = known.get(name)
        if kind is None:
            raise InvalidRequest(f"unknown flag: --{name}{meant(name, known)}")
        if name in found and kind != LIST:
            raise InvalidRequest(f"duplicate flag specified: --{name}")
        if kind == SWITCH:
            value = (value if equals else "true").strip()
            if value not in (*TRUE, *FALSE):
                raise InvalidRequest(f"expecting boolean value for flag --{name}, not: {value}")
        elif not equals:
            raise InvalidRequest(f"missing a value on flag: --{name}")
        found.setdefault(name, []).append(value)
    return Flags(found)
