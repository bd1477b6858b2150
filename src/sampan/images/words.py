"""How are the words of an instruction cut, unquoted and expanded?

The little shell of Dockerfiles: quotes, an escape character, `$name`, `${name}` and the modifiers `:-` `-` `:+` `+`
`:?`
`?` `#` `##` `%` `%%` `/` `//`. Sentences are those of BuildKit's frontend/dockerfile/shell. Pure; a word may grow by
expansion, so its length is bounded.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sampan.errors import InvalidRequest

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#!?$-]", re.ASCII)
BLANKS = re.compile(r"\s")
RESULT_MAX = 128 << 10  # a program could not be given more in one variable (execve(2), MAX_ARG_STRLEN)
HEREDOC_MAX = 8 << 20
NESTED_MAX = 64
VALUE_MAX = 1 << 16
WILDCARDS_MAX = 3


def cut(text: str, escape: str = "\\") -> list[str]:
    """The blank-separated words of `text`, quotes and escapes still in them."""
    words: list[str] = []
    word, quote, inside, position = "", "", False, 0
    while position < len(text):
        character = text[position]
        if not quote and character.isspace():
            if inside:
                words.append(word)
            word, inside = "", False
            position += 1
            continue
        inside = True
        if character == escape and quote != "'" and position + 1 < len(text):
            word += text[position : position + 2]
            position += 2
            continue
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        word += character
        position += 1
    return [*words, word] if inside else words


@dataclass(frozen=True, slots=True)
class Expanded:
    """What a word became: its text, the blank-separated words in it, and the variables that were asked for and
    unset.
    """

    text: str
    words: tuple[str, ...]
    unset: tuple[str, ...]


class _Words:
    """The words of a result; blanks that come from quotes do not separate."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._inside = False

    def add(self, text: str) -> None:
        """Text whose blanks separate."""
        for number, piece in enumerate(BLANKS.split(text)):
            if number:
                self.end()
            if piece:
                self.add_quoted(piece)

    def add_quoted(self, text: str) -> None:
        """Text of the word at hand, even if it is empty."""
        self._parts.append(text)
        self._inside = True

    def end(self) -> None:
        """The word at hand is whole."""
        if self._inside:
            self.found.append("".join(self._parts))
        self._parts, self._inside = [], False


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """`word` without its quotes, with variables replaced by their values. Raises InvalidRequest."""
    return expanded(word, variables, escape).text


def expanded(
    word: str, variables: Mapping[str, str], escape: str = "\\", *, raw: bool = False, quotes: bool = True
) -> Expanded:
    """The same with all that is known about it. `raw` keeps quotes, escapes and unset variables as they are written.

    Without `quotes` a quote is a character like any other, as in a heredoc.

    Raises InvalidRequest.
    """
    expansion = _Expansion(word, variables, escape, raw, "'\"" if quotes else "")
    try:
        text = expansion.until("")
    except InvalidRequest as error:
        quoted = json.dumps(word, ensure_ascii=False)
        raise InvalidRequest(f"failed to process {quoted}: {error}") from None
    expansion.words.end()
    return Expanded(text, tuple(expansion.words.found), tuple(dict.fromkeys(expansion.unset)))


class _Expansion:
    """One pass over a word."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str, raw: bool, quotes: str) -> None:
        self._text = text
        self._variables = variables
        self._escape = escape
        self._raw = raw
        self._quotes = quotes
        self._position = 0
        self._depth = 0
        self.words = _Words()
        self.unset: list[str] = []

    def until(self, stop: str, *, keeps_escapes: bool = False) -> str:
        """What comes before `stop` ("" is the end of the word); `stop` itself is passed over."""
        parts: list[str] = []
        length = 0
        plain = _ordinary(self._escape, self._quotes, stop)
        while self._position < len(self._text):
            if match := plain.match(self._text, self._position):
                self._position = match.end()
                parts.append(match[0])
                length += len(match[0])
                self._split(stop, match[0])
                continue
            character = self._next()
            if character == stop:
                return "".join(parts)
            if character in self._quotes:
                piece = self._single_quoted() if character == "'" else self._double_quoted()
                self.words.add_quoted(piece)
            elif character == "$":
                piece = self._dollar()
                self._split(stop, piece)
            else:
                kept = self._escape if self._raw or keeps_escapes else ""
                following = self._next() if self._position < len(self._text) else ""
                piece = kept + following
                self.words.add_quoted(piece)
            parts.append(piece)
            length += len(piece)
            self._check(length)
        if stop:
            raise InvalidRequest(f"unexpected end of statement while looking for matching {stop}")
        return "".join(parts)

    def _check(self, length: int) -> None:
        most = RESULT_MAX if self._quotes else HEREDOC_MAX
        if length > most:
            raise InvalidRequest(f"it expands to more than {most} characters")

    def _split(self, stop: str, piece: str) -> None:
        if not stop:  # what is inside of braces is told by the value that the braces become
            self.words.add(piece)

    def _next(self) -> str:
        self._position += 1
        return self._text[self._position - 1]

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._position)
        if end < 0:
            raise InvalidRequest("unexpected end of statement while looking for matching single-quote")
        literal = self._text[self._position : end]
        self._position = end + 1
        return f"'{literal}'" if self._raw else literal

    def _double_quoted(self) -> str:
        parts: list[str] = []
        length = 0
        while self._position < len(self._text):
            character = self._next()
            if character == '"':
                result = "".join(parts)
                return f'"{result}"' if self._raw else result
            if character == "$":
                character = self._dollar()
            elif character == self._escape and self._peek() in ('"', "$", self._escape) and self._peek():
                character = (self._escape if self._raw else "") + self._next()
            parts.append(character)
            length += len(character)
            self._check(length)
        raise InvalidRequest("unexpected end of statement while looking for matching double-quote")

    def _value(self, name: str) -> str | None:
        value = self._variables.get(name)
        if value is None:
            self.unset.append(name)
        return value

    def _dollar(self) -> str:
        if self._peek() == "{":
            start = self._position - 1
            self._position += 1
            self._depth += 1
            if self._depth > NESTED_MAX:
                raise InvalidRequest(f"substitutions are nested more than {NESTED_MAX} deep")
            words = self.words  # a word inside of braces is not a word of the result
            self.words = _Words()
            text, is_set = self._braced()
            self.words = words
            self._depth -= 1
            return self._text[start : self._position] if self._raw and not is_set else text
        match = NAME.match(self._text, self._position)
        if match is None:
            return "$"
        self._position = match.end()
        value = self._value(match[0])
        return ("$" + match[0] if self._raw else "") if value is None else value

    def _braced(self) -> tuple[str, bool]:
        """The value of `${…}`, and whether its variable is set."""
        if not self._peek():
            raise InvalidRequest("syntax error: missing '}'")
        match = NAME.match(self._text, self._position)
        if match is None or self._peek() in "{}:":
            raise InvalidRequest("syntax error: bad substitution")
        name = match[0]
        self._position = match.end()
        modifier = self._next() if self._position < len(self._text) else ""
        if modifier == "}":
            value = self._value(name)
            return value or "", value is not None
        without_empty = modifier == ":"
        if without_empty:
            modifier = self._next() if self._position < len(self._text) else ""
        if modifier == "/" and not without_empty:
            return self._replaced(name)
        if modifier not in ("-", "+", "?", "#", "%"):
            shown = (":" if without_empty else "") + modifier
            raise InvalidRequest(f"unsupported modifier ({shown}) in substitution")
        word = self._closed("}", keeps_escapes=modifier in "#%")
        if modifier in "#%":
            value = self._value(name)
            _check_length(value or "")
            return _trimmed(value or "", word, modifier), value is not None
        # A modifier says what is to be done with one that is unset: nothing to be warned of.
        return self._chosen(name, self._variables.get(name), word, modifier, without_empty)

    def _chosen(self, name: str, value: str | None, word: str, modifier: str, without_empty: bool) -> tuple[str, bool]:
        is_set = value is not None and not (without_empty and value == "")
        if modifier == "+":
            return word if is_set else "", is_set
        if modifier == "?" and not is_set:
            missing = "is not allowed to be empty" if value is not None else "is not allowed to be unset"
            raise InvalidRequest(f"{name}: {word or missing}")
        return (value or "") if is_set else word, is_set

    def _replaced(self, name: str) -> tuple[str, bool]:
        everywhere = self._peek() == "/"
        self._position += everywhere
        pattern = self._closed("/", keeps_escapes=True)
        replacement = self._closed("}", keeps_escapes=True)
        value = self._value(name)
        text = value or ""
        _check_length(text)
        return _regex(pattern, text).sub(lambda _: replacement, text, count=0 if everywhere else 1), value is not None

    def _closed(self, stop: str, *, keeps_escapes: bool) -> str:
        try:
            return self.until(stop, keeps_escapes=keeps_escapes)
        except InvalidRequest as error:
            if str(error).startswith("unexpected end of statement while looking for matching " + stop):
                raise InvalidRequest(f"syntax error: missing '{stop}'" + (" in ${}" if stop == "/" else "")) from None
            raise


@lru_cache(maxsize=64)
def _ordinary(escape: str, quotes: str, stop: str) -> re.Pattern[str]:
    """A run of characters that mean nothing but themselves."""
    return re.compile(f"[^{re.escape('$' + escape + quotes + stop)}]+", re.DOTALL)


def _check_length(value: str) -> None:
    if len(value) > VALUE_MAX:
        raise InvalidRequest(f"patterns are for values of at most {VALUE_MAX} characters")


def _trimmed(value: str, pattern: str, modifier: str) -> str:
    """`value` without the shortest (or with a doubled modifier longest) beginning or end that matches."""
    longest = pattern.startswith(modifier)
    tokens = _tokens(pattern[1:] if longest else pattern)
    if modifier == "#":
        return value[_matched(value, tokens, longest=longest) :]
    return value[: len(value) - _matched(value[::-1], tokens[::-1], longest=longest)]


def _matched(value: str, tokens: list[str], *, longest: bool) -> int:
    """How many characters at the beginning of `value` the pattern matches; 0 for none.

    The places that a match can have reached are the bits of one number, so that no pattern takes more than a step for
    each of its characters.
    """
    places, everywhere = 1, (2 << len(value)) - 1
    for token in tokens:
        if token == "*":
            places = everywhere & -(places & -places) if places else 0
        elif token == "?":
            places = places << 1 & everywhere
        else:
            same = int("".join("01"[character == token[-1]] for character in reversed(value)) or "0", 2)
            places = (places & same) << 1
    if not places:
        return 0
    return places.bit_length() - 1 if longest else (places & -places).bit_length() - 1


def _tokens(pattern: str) -> list[str]:
    """`*`, `?`, and every other character with a backslash before it."""
    found: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character in "*?":
            if not (character == "*" and found[-1:] == ["*"]):
                found.append(character)
        else:
            found.append("\\" + (next(characters, "\\") if character == "\\" else character))
    return found


def _regex(pattern: str, value: str) -> re.Pattern[str]:
    tokens = _tokens(pattern)
    if tokens.count("*") > WILDCARDS_MAX and len(value) > WILDCARDS_MAX:
        raise InvalidRequest(f"the pattern {pattern[:64]!r} has more than {WILDCARDS_MAX} wildcards")
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(token) or re.escape(token[1:]) for token in tokens), re.DOTALL)
