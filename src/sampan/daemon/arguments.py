"""How does a command line become values, by the rules that dockerd's users know?

pflag's rules: `--name=value`, `--name value`, `-nvalue`, `-n value`; a switch alone is true and takes a value only
after `=`; lists and maps add up. Every failure is an InvalidRequest in pflag's words.
"""

from collections.abc import Mapping, Sequence

from sampan.daemon.flags import FLAGS, SHORT, Flag, Kind
from sampan.errors import InvalidRequest

Value = bool | str | int | list[str] | dict[str, str]

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse(words: Sequence[str]) -> dict[str, Value]:
    """The flags given, by name. Raises InvalidRequest."""
    found: dict[str, Value] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and word != "--":
            _long(word[2:], rest, found)
        elif word.startswith("-") and word not in ("-", "--"):
            _short(word[1:], rest, found)
        else:
            raise InvalidRequest(f'"sampan daemon" accepts no arguments: {word!r}')
    return found


def _long(word: str, rest: list[str], found: dict[str, Value]) -> None:
    name, equals, value = word.partition("=")
    flag = FLAGS.get(name)
    if flag is None:
        raise InvalidRequest(f"unknown flag: --{name}")
    if not equals:
        if flag.kind is Kind.SWITCH:
            value = "true"
        elif rest:
            value = rest.pop(0)
        else:
            raise InvalidRequest(f"flag needs an argument: --{name}")
    _add(flag, value, found, f"--{name}")


def _short(letters: str, rest: list[str], found: dict[str, Value]) -> None:
    while letters:
        flag = SHORT.get(letters[0])
        if flag is None:
            raise InvalidRequest(f"unknown shorthand flag: '{letters[0]}' in -{letters}")
        shown, letters = f"-{flag.short}, --{flag.name}", letters[1:]
        if flag.kind is Kind.SWITCH:
            _add(flag, "true", found, shown)
            continue
        if not letters and not rest:
            raise InvalidRequest(f"flag needs an argument: '{flag.short}' in -{flag.short}")
        _add(flag, letters.removeprefix("=") if letters else rest.pop(0), found, shown)
        return


def _add(flag: Flag, text: str, found: dict[str, Value], shown: str) -> None:
    try:
        value = read(flag.kind, text)
    except ValueError as error:
        raise InvalidRequest(f'invalid argument "{text}" for "{shown}" flag: {error}') from None
    before = found.get(flag.name)
    if isinstance(before, list) and isinstance(value, list):
        before += value
    elif isinstance(before, dict) and isinstance(value, dict):
        before |= value
    else:
        found[flag.name] = value


def read(kind: Kind, text: str) -> Value:
    """The value that `text` is, for a flag of this kind; raises ValueError."""
    if kind is Kind.SWITCH:
        if text not in _TRUE + _FALSE:
            raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
        return text in _TRUE
    if kind is Kind.NUMBER:
        return int(text, 10)
    if kind is Kind.BYTES:
        return read_bytes(text)
    if kind is Kind.LIST:
        return [text]
    if kind is Kind.MAP:
        name, _, value = text.partition("=")
        return {name: value}
    return text


def read_bytes(text: str) -> int:
    """`64m` and the like, in powers of 1024; raises ValueError."""
    lower = text.strip().lower().removesuffix("b").removesuffix("i")
    digits = lower.rstrip("kmgtp")
    unit = lower[len(digits) :]
    if unit not in _UNITS or not digits.isascii() or not digits.replace(".", "", 1).isdigit():
        raise ValueError(f"invalid size: '{text}'")
    return int(float(digits) * 1024 ** _UNITS[unit])


def usage() -> str:
    """The text of `--help`."""
    lines = ["Usage:  sampan daemon [OPTIONS]", "", "The engine itself: it takes dockerd's flags.", "", "Options:"]
    for flag in FLAGS.values():
        if flag.absent and not flag.harmless:
            continue  # known, so that it can be refused with its reason; not advertised
        start = f"  {f'-{flag.short},' if flag.short else '   '} --{flag.name} {flag.kind.value}".rstrip()
        default = "" if flag.default in (None, "", False, 0) else f" (default {_shown(flag)})"
        lines.append(f"{start:<42} {flag.help}{default}")
    return "\n".join(lines) + "\n"


def _shown(flag: Flag) -> str:
    if flag.kind is Kind.BYTES and isinstance(flag.default, int):
        return f"{flag.default >> 20}MiB"
    return f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()


def differences(given: Mapping[str, Value], flag: Flag) -> Value | None:
    """What of a flag's value asks for something that is not harmless; None when nothing does."""
    value = given.get(flag.name)
    if value is None or value == flag.default or value in flag.harmless:
        return None
    if isinstance(value, list):
        return [each for each in value if each not in flag.harmless] or None
    return value or None if flag.default is None else value
