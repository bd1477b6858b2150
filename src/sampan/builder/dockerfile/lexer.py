"""Which lines make an instruction?

Comments go, lines that end in the escape character are joined, a heredoc's lines belong to the instruction that opened
it. What comes out is a `Node` with its name, its flags and the rest as text; `parse` knows what they mean. Rules and
sentences are those of BuildKit's frontend/dockerfile/parser. Everything is bounded: a Dockerfile is untrusted.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sampan.builder.dockerfile.directives import Directives
from sampan.builder.dockerfile.errors import DockerfileError, located
from sampan.errors import InvalidRequest
from sampan.images.words import expanded

BYTES_MAX = 4 << 20
INSTRUCTIONS_MAX = 5_000
HEREDOC = re.compile(r"(\d*)<<(-?)([^<]*)")
TAKES_HEREDOCS = ("ADD", "COPY", "RUN")
BLANKS = " \t\v\f\r\x85\xa0"


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document; `expand` unless its name was quoted."""

    name: str
    content: str
    expand: bool
    chomp: bool
    fd: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction as it is written.

    `name` is the word as spelled, `flags` its `--x=y` with quotes resolved, `rest` what follows them. `comments` are
    the lines of comment directly above it.
    """

    name: str
    rest: str
    flags: tuple[str, ...]
    original: str
    line: int
    end_line: int
    column: int
    escape: str
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()

    @property
    def keyword(self) -> str:
        """The instruction's name in capitals."""
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class Lexed:
    """All instructions of a file, its directives, and the lines with an empty line inside of an instruction."""

    nodes: tuple[Node, ...]
    directives: Directives
    empty_continuations: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class _Lines:
    """The file's lines, one by one."""

    lines: Sequence[str]
    number: int = 0  # of the line that was given out last, from 1

    def next(self) -> str | None:
        if self.number >= len(self.lines):
            return None
        self.number += 1
        return self.lines[self.number - 1]


@dataclass(slots=True)
class _Lexer:
    lines: _Lines
    directives: Directives = field(default_factory=Directives)
    nodes: list[Node] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def run(self) -> Lexed:
        comments: list[str] = []
        while (raw := self.lines.next()) is not None:
            stripped = raw.lstrip(BLANKS)
            self._look_for_directive(stripped)
            if stripped.startswith("#"):
                comments.append(stripped[1:].strip())
                continue
            start, column = self.lines.number, len(raw) - len(stripped) + 1
            text, goes_on = self._continued(stripped)
            if not text and not goes_on:
                comments = []
                continue
            if goes_on:
                text = self._join(text, start)
            if text.strip():
                self._add(text, start, column, tuple(comments))
            comments = []
        if not self.nodes:
            raise DockerfileError(
                "the Dockerfile cannot be empty" if not self.lines.lines else "file with no instructions"
            )
        return Lexed(tuple(self.nodes), self.directives, tuple(self.gaps))

    def _look_for_directive(self, line: str) -> None:
        try:
            self.directives.look_at(line, self.lines.number)
        except InvalidRequest as error:
            raise located(error, self.lines.number) from None

    def _continued(self, line: str) -> tuple[str, bool]:
        """The line without its escape character at the end, and whether there was one."""
        escape = re.escape(self.directives.escape)
        match = re.search(rf"(?:^|[^{escape}])({escape}[ \t]*)\Z", line)
        return (line[: match.start(1)], True) if match else (line, False)

    def _join(self, text: str, start: int) -> str:
        parts = [text]
        goes_on, has_gap = True, False
        while goes_on and (raw := self.lines.next()) is not None:
            if raw.lstrip(BLANKS).startswith("#"):
                continue
            if not raw.strip(BLANKS):
                has_gap = True
                continue
            part, goes_on = self._continued(raw)
            parts.append(part)
        if has_gap:
            self.gaps.append((start, self.lines.number))
        return "".join(parts)

    def _add(self, text: str, start: int, column: int, comments: tuple[str, ...]) -> None:
        if len(self.nodes) >= INSTRUCTIONS_MAX:
            raise DockerfileError(f"a Dockerfile has at most {INSTRUCTIONS_MAX} instructions", line=start)
        try:
            name, _, rest = _first_word(text)
            flags, rest = cut_flags(rest, self.directives.escape)
            heredocs: tuple[Heredoc, ...] = ()
            if "<<" in text and (name.upper() in TAKES_HEREDOCS or _is_onbuild(name, rest)):
                heredocs = tuple(self._heredocs(text, start))
        except InvalidRequest as error:
            raise located(error, start, self.lines.number, column) from None
        self.nodes.append(
            Node(
                name=name, rest=rest, flags=flags, original=text.strip(), line=start, end_line=self.lines.number,
                column=column, escape=self.directives.escape, heredocs=heredocs, comments=comments,
            )
        )  # fmt: skip

    def _heredocs(self, text: str, start: int) -> Iterator[Heredoc]:
        for opened in heredocs_in(text):
            content: list[str] = []
            while (raw := self.lines.next()) is not None:
                line = raw.lstrip("\t") if opened.chomp else raw
                if line == opened.name:
                    break
                content.append(raw + "\n")
            else:
                raise DockerfileError(
                    f"dockerfile parse error on line {start}: unterminated heredoc", line=start,
                    end_line=self.lines.number,
                )  # fmt: skip
            yield Heredoc(opened.name, "".join(content), opened.expand, opened.chomp, opened.fd)


def lex(text: str) -> Lexed:
    """The instructions of a Dockerfile. Raises DockerfileError."""
    if len(text) > BYTES_MAX:
        raise DockerfileError(f"the Dockerfile is larger than {BYTES_MAX} bytes")
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    if lines and not lines[-1]:
        lines.pop()
    return _Lexer(_Lines(lines)).run()


def heredocs_in(text: str) -> list[Heredoc]:
    """The here-documents that a line opens, their content still to come. Raises InvalidRequest."""
    found = []
    for word in expanded(text, {}, raw=True).words:
        match = HEREDOC.fullmatch(word)
        if match is None or not match[3]:
            continue
        words = expanded(match[3], {}).words
        if len(words) == 1:
            found.append(Heredoc(words[0], "", words[0] == match[3], match[2] == "-", int(match[1] or 0)))
    return found


def cut_flags(rest: str, escape: str = "\\") -> tuple[tuple[str, ...], str]:
    """The `--x=y` words at the beginning, without their quotes, and what follows. `--` alone ends them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(rest) and rest[position].isspace():
            position += 1
        if not rest.startswith("--", position):
            return tuple(flags), rest[position:]
        word, position = _flag(rest, position, escape)
        if word == "--":
            return tuple(flags), rest[position:].lstrip()
        flags.append(word)


def _flag(rest: str, position: int, escape: str) -> tuple[str, int]:
    word, quote = "", ""
    while position < len(rest):
        character = rest[position]
        if not quote and character.isspace():
            break
        if quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == escape and position + 1 < len(rest):
            position += 1
            word += rest[position]
        else:
            word += character
        position += 1
    return word, position


def _first_word(text: str) -> tuple[str, str, str]:
    match = re.match(r"\s*(\S+)(\s*)", text)
    return (match[1], match[2], text[match.end() :].strip()) if match else ("", "", "")


def _is_onbuild(name: str, rest: str) -> bool:
    return name.upper() == "ONBUILD" and rest.split(None, 1)[0].upper() in TAKES_HEREDOCS if rest else False
