"""How does a command line become options and arguments, by the rules docker's users know?

The rules are pflag's, not argparse's: `-itd` bundles, `-eA=1` and `-e A=1` are the same, `--rm` alone means true and
`--rm false` does not mean false, `--` ends the flags, and for run or exec the first argument ends them as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class BadUsage(Exception):
    """The command line cannot be understood; printed with the command's usage, exit code 125."""


class HelpWanted(Exception):
    """--help was given."""


class Kind:
    """What values a flag takes: its name in help texts, how its text is read, and whether it adds up."""

    __slots__ = ("is_switch", "name", "read", "repeats")

    def __init__(
        self, name: str, read: Callable[[str], Any], *, repeats: bool = False, is_switch: bool = False
    ) -> None:
        self.name = name
        self.read = read  # text to value; ValueError's text says what is wrong
        self.repeats = repeats
        self.is_switch = is_switch


def read_switch(text: str) -> bool:
    """Go's spellings of true and false."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError("use true or false")


def read_number(text: str) -> int:
    """A whole number; 0x, 0o and 0b prefixes are understood as in docker's flags."""
    try:
        return (
            int(text, 0) if not text.lstrip("+-").startswith("0") or not text.lstrip("+-").isdigit() else int(text, 8)
        )
    except ValueError:
        raise ValueError("it is not a whole number") from None


def read_filter(text: str) -> tuple[str, str]:
    """NAME=VALUE of --filter as (name, value)."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("bad format of filter (expected name=value)")
    return name.strip().lower(), value.strip()


SWITCH = Kind("", read_switch, is_switch=True)
TEXT = Kind("string", str)
NUMBER = Kind("int", read_number)
LIST = Kind("list", str, repeats=True)
FILTER = Kind("filter", read_filter, repeats=True)


class Flag:
    """One flag: `--name`, perhaps `-short`. `default` is None for flags whose absence matters."""

    __slots__ = ("aliases", "default", "hidden", "kind", "name", "short", "summary")

    def __init__(
        self,
        name: str,
        kind: Kind,
        summary: str,
        *,
        short: str = "",
        default: object = None,
        hidden: bool = False,
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.kind = kind
        self.summary = summary
        self.short = short
        self.default = default
        self.hidden = hidden
        self.aliases = aliases

    def initial(self) -> Any:
        """The value when the flag is not given."""
        if self.kind.repeats:
            return []
        if self.default is None and self.kind.is_switch:
            return False
        if self.default is None and self.kind is TEXT:
            return ""
        return self.default

    def __str__(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Options:
    """The values of a command's flags: `options["name"]`; `options.given("name")` when the user said it."""

    def __init__(self, flags: Iterable[Flag]) -> None:
        self._values = {flag.name: flag.initial() for flag in flags}
        self._given: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def given(self, name: str) -> bool:
        """Whether the flag stood on the command line."""
        return name in self._given

    def put(self, name: str, value: object) -> None:
        """Give a flag a value as if the user had."""
        self._values[name] = value
        self._given.add(name)

    def set(self, flag: Flag, text: str) -> None:
        """Read one occurrence of a flag. Raises BadUsage."""
        try:
            value = flag.kind.read(text)
        except ValueError as error:
            raise BadUsage(f'invalid argument "{text}" for "{flag}" flag: {error}') from None
        if flag.kind.repeats:
            self._values[flag.name].append(value)
        else:
            self._values[flag.name] = value
        self._given.add(flag.name)


def parse(flags: Iterable[Flag], words: list[str], *, interspersed: bool = True) -> tuple[Options, list[str]]:
    """Split `words` into options and arguments. Raises BadUsage and HelpWanted."""
    flags = tuple(flags)
    by_name = {name: flag for flag in flags for name in (flag.name, *flag.aliases)}
    by_short = {flag.short: flag for flag in flags if flag.short}
    options = Options(flags)
    arguments: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            return options, arguments + words[at:]
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            if not interspersed:
                return options, arguments + words[at:]
        elif word.startswith("--"):
            at = parse_long(options, by_name, word, words, at)
        else:
            at = parse_bundle(options, by_short, word, words, at)
    return options, arguments


def parse_long(options: Options, by_name: dict[str, Flag], word: str, words: list[str], at: int) -> int:
    """`--name`, `--name=value` or `--name value`; the index of the next word."""
    name, equals, text = word[2:].partition("=")
    if not name or name.startswith("-"):
        raise BadUsage(f"bad flag syntax: {word}")
    flag = by_name.get(name)
    if flag is None:
        if name == "help":
            raise HelpWanted
        raise BadUsage(f"unknown flag: --{name}{suggestion(name, by_name)}")
    if not equals:
        if flag.kind.is_switch:
            text = "true"
        elif at == len(words):
            raise BadUsage(f"flag needs an argument: --{name}")
        else:
            text = words[at]
            at += 1
    options.set(flag, text)
    return at


def parse_bundle(options: Options, by_short: dict[str, Flag], word: str, words: list[str], at: int) -> int:
    """`-it`, `-eA=1`, `-e=A`, `-e A`; the index of the next word."""
    rest = word[1:]
    while rest:
        short, rest = rest[0], rest[1:]
        flag = by_short.get(short)
        if flag is None:
            if short == "h":
                raise HelpWanted
            raise BadUsage(f"unknown shorthand flag: '{short}' in {word}")
        if flag.kind.is_switch and not rest.startswith("="):
            options.set(flag, "true")
            continue
        if rest:
            options.set(flag, rest.removeprefix("="))
        elif at == len(words):
            raise BadUsage(f"flag needs an argument: '{short}' in {word}")
        else:
            options.set(flag, words[at])
            at += 1
        break
    return at


def suggestion(name: str, by_name: dict[str, Flag]) -> str:
    """`; did you mean --volume?` for a name that is nearly one of the flags."""
    from difflib import get_close_matches

    near = get_close_matches(name, [known for known, flag in by_name.items() if not flag.hidden], n=1, cutoff=0.75)
    return f"; did you mean --{near[0]}?" if near else ""
