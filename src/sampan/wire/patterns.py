"""Which names does a pattern match?

Two languages: wildcards of COPY and ADD are Go's filepath.Match (`*`, `?`, `[a-z]`, `[^x]`, backslash; none crosses a
slash); lines of .dockerignore and --exclude add `**` for any number of directories (moby/patternmatcher). Both become
regular expressions, made once. Pure.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sampan.errors import InvalidRequest

WILDCARDS = frozenset("*?[\\")
PATTERN_MAX = 4096
PATTERNS_MAX = 10_000


def has_wildcards(pattern: str) -> bool:
    """Whether a pattern is more than a name."""
    return not WILDCARDS.isdisjoint(pattern)


@lru_cache(maxsize=4096)
def name_pattern(pattern: str) -> re.Pattern[str]:
    """filepath.Match for one component or a whole path. Raises InvalidRequest: `syntax error in pattern`."""
    return _compiled(pattern, crosses=False)


def _compiled(pattern: str, *, crosses: bool) -> re.Pattern[str]:
    if len(pattern) > PATTERN_MAX:
        raise InvalidRequest(f"a pattern is longer than {PATTERN_MAX} characters: {pattern[:64]!r}…")
    result, position, stars = "", 0, 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            doubled = crosses and pattern[position : position + 1] == "*"
            while pattern[position : position + 1] == "*":
                position += 1
            stars += 1
            if not doubled:
                result += "[^/]*"
            else:
                position += pattern[position : position + 1] == "/"
                # moby's own reading: `**x` also matches `yx`
                result += ".*" if position >= len(pattern) else "(?:.*/|[^/]*)"
        elif character == "?":
            result += "[^/]"
        elif character == "[":
            chosen, position = _range(pattern, position)
            result += chosen
        elif character == "\\":
            if position >= len(pattern):
                raise InvalidRequest(f"syntax error in pattern: {pattern}")
            result += re.escape(pattern[position])
            position += 1
        else:
            result += re.escape(character)
    if stars > 32:
        raise InvalidRequest(f"a pattern with more than 32 wildcards: {pattern[:64]!r}")
    try:
        return re.compile(result, re.DOTALL)
    except re.error:
        raise InvalidRequest(f"syntax error in pattern: {pattern}") from None


def _range(pattern: str, position: int) -> tuple[str, int]:
    """A `[…]` from behind its bracket; the expression for it and where it ends."""
    wrong = InvalidRequest(f"syntax error in pattern: {pattern}")
    negated = pattern[position : position + 1] == "^"
    position += negated
    parts: list[str] = []
    while True:
        if position >= len(pattern):
            raise wrong
        if pattern[position] == "]" and parts:
            break
        low, position = _character(pattern, position, wrong)
        if pattern[position : position + 1] == "-":
            high, position = _character(pattern, position + 1, wrong)
            if high >= low:
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
            else:
                parts.append("")
        else:
            parts.append(re.escape(low))
    inside = "".join(parts)
    if not inside:  # only ranges that run backwards: nothing is in them
        return ("[^/]" if negated else "(?!)"), position + 1
    return (f"[^/{inside}]" if negated else f"(?!/)[{inside}]"), position + 1


def _character(pattern: str, position: int, wrong: InvalidRequest) -> tuple[str, int]:
    if position >= len(pattern) or pattern[position] in "-]":
        raise wrong
    if pattern[position] == "\\":
        position += 1
        if position >= len(pattern):
            raise wrong
    return pattern[position], position + 1


@dataclass(frozen=True, slots=True)
class _Rule:
    regex: re.Pattern[str]
    depth: int
    negated: bool
    text: str


class Ignore:
    """The rules of a .dockerignore, or of --exclude. The last rule that matches a path decides."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rules = tuple(_rule(pattern) for pattern in patterns)
        if len(self._rules) > PATTERNS_MAX:
            raise InvalidRequest(f"more than {PATTERNS_MAX} patterns")
        self.has_exceptions = any(rule.negated for rule in self._rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def excludes(self, path: str) -> bool:
        """Whether a path (without a slash in front) is left out; also what is in a directory that is left out."""
        excluded = False
        parents: Sequence[str] | None = None
        for rule in self._rules:
            if rule.negated != excluded:
                continue  # it could change nothing
            matched = bool(rule.regex.fullmatch(path))
            if not matched and "/" in path:
                if parents is None:
                    parts = path.split("/")
                    parents = ["/".join(parts[:count]) for count in range(1, len(parts))]
                matched = any(rule.regex.fullmatch(parent) for parent in parents)
            if matched:
                excluded = not rule.negated
        return excluded

    def may_have_exceptions_below(self, directory: str) -> bool:
        """Whether something in a directory that is left out may be wanted all the same."""
        return self.has_exceptions


def _rule(pattern: str) -> _Rule:
    negated = pattern.startswith("!")
    text = pattern.removeprefix("!").strip()
    if not text:
        raise InvalidRequest('illegal exclusion pattern: "!"' if negated else "an empty pattern")
    cleaned = posixpath.normpath(text).lstrip("/")
    return _Rule(_compiled(cleaned, crosses=True), cleaned.count("/"), negated, cleaned)


def parse_ignore(text: str) -> list[str]:
    """The patterns of a .dockerignore file: comments and blanks go, paths are cleaned, leading slashes dropped."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        pattern = line.strip()
        negated = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip() if negated else pattern
        if pattern:
            pattern = posixpath.normpath(pattern)
            if len(pattern) > 1:
                pattern = pattern.lstrip("/") or "/"
        if pattern and pattern not in ("/", "."):
            patterns.append(("!" if negated else "") + pattern)
        elif negated and not pattern:
            raise InvalidRequest('illegal exclusion pattern: "!"')
    return patterns
