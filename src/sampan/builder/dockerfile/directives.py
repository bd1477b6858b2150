"""What do the comments at the top of a Dockerfile decide? `# syntax=`, `# escape=`, `# check=`."""

import re
from dataclasses import dataclass, field

from sampan.errors import InvalidRequest

DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z", re.ASCII)
KNOWN = ("syntax", "escape", "check")


@dataclass(slots=True)
class Directives:
    """The directives seen so far; they end with the first line that is none.

    `values` are as written, `lines` where. `escape` is the escape character in force.
    """

    escape: str = "\\"
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    done: bool = False

    def look_at(self, line: str, number: int) -> None:
        """One line from the top. Raises InvalidRequest for a directive given twice, or an unknown escape character."""
        if self.done:
            return
        match = DIRECTIVE.fullmatch(line)
        if match is None:
            self.done = True
            return
        name = match[1].lower()
        if name not in KNOWN:
            return
        if name in self.values:
            raise InvalidRequest(f"only one {name} parser directive can be used")
        if name == "escape":
            if match[2] not in ("\\", "`"):
                raise InvalidRequest(f"invalid escape token '{match[2]}' does not match ` or \\")
            self.escape = match[2]
        self.values[name] = match[2]
        self.lines[name] = number


@dataclass(frozen=True, slots=True)
class Checks:
    """`# check=skip=A,B;error=true;experimental=all`, or the same in BUILDKIT_DOCKERFILE_CHECK."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    error: bool = False
    experimental: frozenset[str] = frozenset()
    experimental_all: bool = False


def parse_checks(text: str) -> Checks:
    """The checks that are wanted. Raises InvalidRequest."""
    words: dict[str, str] = {}
    for part in filter(None, text.split(";")):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if not equals or key not in ("skip", "error", "experimental"):
            raise InvalidRequest(f"invalid check option {part.strip()!r}: must be skip=, error= or experimental=")
        words[key] = value.strip()

    def names(key: str) -> frozenset[str]:
        return frozenset(name.strip().lower() for name in words.get(key, "").split(",") if name.strip())

    if words.get("error", "false").lower() not in ("true", "false", "1", "0"):
        raise InvalidRequest(f"failed to parse check option error={words['error']!r}: it is true or false")
    return Checks(
        skip=names("skip"),
        skip_all="all" in names("skip"),
        error=words.get("error", "").lower() in ("true", "1"),
        experimental=names("experimental"),
        experimental_all="all" in names("experimental"),
    )
