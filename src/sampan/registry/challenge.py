"""How does a registry say which credentials it wants?

The `WWW-Authenticate` field of a 401 (RFC 9110, 11.6.1; RFC 6750, 3): challenges, comma-separated, each a scheme with
parameters, also comma-separated. So a comma may end a parameter or a challenge; what follows it tells.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_BYTES = 16 << 10
MAX_CHALLENGES = 16

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))', re.DOTALL)
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t,]|$)")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
_GAP = re.compile(r"[ \t,]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to get in; names are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges in the values of all `WWW-Authenticate` fields; what cannot be read ends its value."""
    found: list[Challenge] = []
    for value in values:
        if len(value) <= MAX_BYTES:
            _parse(value, found)
    return found[:MAX_CHALLENGES]


def _parse(value: str, found: list[Challenge]) -> None:
    position = _skip(value, 0)
    parameters: dict[str, str] | None = None
    while position < len(value):
        parameter = _PARAMETER.match(value, position)
        if parameter and parameters is not None:
            name, quoted, plain = parameter.groups()
            # The first of a name counts: what a later one says is what an attacker could append.
            parameters.setdefault(name.lower(), plain if quoted is None else _ESCAPE.sub(r"\1", quoted))
            position = _skip(value, parameter.end())
            continue
        scheme = _SCHEME.match(value, position)
        if not scheme:
            return
        parameters = {}
        found.append(Challenge(scheme[1].lower(), parameters))
        position = _skip(value, scheme.end())
        if not _PARAMETER.match(value, position) and value[scheme.end() : scheme.end() + 1] in (" ", "\t"):
            token68 = _TOKEN68.match(value, position)
            if token68 and "=" in token68[0]:
                position = _skip(value, token68.end())


def _skip(value: str, position: int) -> int:
    gap = _GAP.match(value, position)
    return gap.end() if gap else position
