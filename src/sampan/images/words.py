"""How are the words of an instruction cut, unquoted and expanded?

The little shell of Dockerfiles, as far as ENV, LABEL and their kin need it: quotes, backslashes, `$name`, `${name}` and
`${name:-word}`, `:+`, `:?` with and without the colon. Sentences are those of BuildKit's frontend/dockerfile/shell.
"""

import json
import re
from collections.abc import Mapping

from sampan.errors import InvalidRequest

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#!?$-]")


def cut(text: str) -> list[str]:
    """The blank-separated words of `text`, quotes and backslashes still in them."""
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
        if character == "\\" and quote != "'" and position + 1 < len(text):
            word += text[position : position + 2]
            position += 2
            continue
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        word += character
        position += 1
    return [*words, word] if inside else words


def expand(word: str, variables: Mapping[str, str]) -> str:
    """`word` without its quotes, with variables replaced by their values. Raises InvalidRequest."""
    try:
        return _Expansion(word, variables).until("")
    except InvalidRequest as error:
        quoted = json.dumps(word, ensure_ascii=False)
        raise InvalidRequest(f"failed to process {quoted}: {error}") from None


class _Expansion:
    """One pass over a word."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._variables = variables
        self._position = 0

    def until(self, stop: str) -> str:
        """What comes before `stop` ("" is the end of the word); `stop` itself is passed over."""
        result = ""
        while self._position < len(self._text):
            character = self._next()
            if character == stop:
                return result
            if character == "'":
                result += self._single_quoted()
            elif character == '"':
                result += self._double_quoted()
            elif character == "$":
                result += self._dollar()
            elif character == "\\":
                result += self._next() if self._position < len(self._text) else ""
            else:
                result += character
        if stop:
            raise InvalidRequest(f'syntax error: missing "{stop}"')
        return result

    def _next(self) -> str:
        self._position += 1
        return self._text[self._position - 1]

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._position)
        if end < 0:
            raise InvalidRequest("unexpected end of statement while looking for matching single-quote")
        literal = self._text[self._position : end]
        self._position = end + 1
        return literal

    def _double_quoted(self) -> str:
        result = ""
        while self._position < len(self._text):
            character = self._next()
            if character == '"':
                return result
            if character == "$":
                result += self._dollar()
            elif character == "\\" and self._text[self._position : self._position + 1] in ('"', "$", "\\"):
                result += self._next()
            else:
                result += character
        raise InvalidRequest("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        if self._text[self._position : self._position + 1] == "{":
            self._position += 1
            return self._braced()
        match = _NAME.match(self._text, self._position)
        if match is None:
            return "$"
        self._position = match.end()
        return self._variables.get(match[0], "")

    def _braced(self) -> str:
        match = _NAME.match(self._text, self._position)
        if match is None:
            raise InvalidRequest("syntax error: bad substitution")
        self._position = match.end()
        value = self._variables.get(match[0])
        modifier = self._next() if self._position < len(self._text) else ""
        if modifier == "}":
            return value or ""
        if modifier == ":":
            # With the colon, a variable that is set but empty counts as not set.
            value = value or None
            modifier = self._next() if self._position < len(self._text) else ""
        if modifier not in ("-", "+", "?"):
            raise InvalidRequest(f"unsupported modifier ({modifier}) in substitution")
        word = self.until("}")
        if modifier == "+":
            return word if value is not None else ""
        if modifier == "?" and value is None:
            raise InvalidRequest(f"{match[0]}: {word or 'not set'}")
        return word if value is None else value
