"""Where are the actions in a template, and what are their tokens?

{{range .Mounts}}{{- .Source | json -}}{{end}}
text/template: "Text and spaces", "Actions", "Arguments"
"""

from __future__ import annotations

import re

from sampan.errors import InvalidRequest

TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    | (?P<character>'(?:[^'\\\n]|\\.)+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?))
    | (?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    | (?P<variable>\$[A-Za-z0-9_]*)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>:=|=|\||\(|\)|,|\.)
    """,
    re.VERBOSE,
)


class BadTemplate(InvalidRequest):
    """The template itself cannot be read."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"template: :{line}: {problem}")


class Token:
    """A piece of an action: `kind` is a group of TOKEN, or "text" for what is between actions."""

    __slots__ = ("column", "glued", "kind", "line", "text")

    def __init__(self, kind: str, text: str, line: int, column: int = 0, glued: bool = False) -> None:
        self.kind = kind
        self.text = text
        self.line = line
        self.column = column
        self.glued = glued  # no space before it: `(…).Name` and `$x.Name` are one operand

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.text!r})"


def split(template: str) -> list[Token | list[Token]]:
    """The template as text tokens and actions (lists of tokens), trimmed, without comments. Raises BadTemplate."""
    parts: list[Token | list[Token]] = []
    at, trim_next = 0, False
    while at < len(template):
        start = template.find("{{", at)
        end_of_text = len(template) if start < 0 else start
        text = template[at:end_of_text]
        if trim_next:
            text = text.lstrip(" \t\r\n")
        line = template.count("\n", 0, end_of_text) + 1
        if start < 0:
            parts += [Token("text", text, line)] if text else []
            break
        body_start = start + 2
        if template.startswith("-", body_start) and template[body_start + 1 : body_start + 2].isspace():
            text = text.rstrip(" \t\r\n")
            body_start += 1
        parts += [Token("text", text, line)] if text else []
        body, at, trim_next = action_body(template, body_start, line)
        if not body.strip().startswith("/*"):
            parts.append(tokens(body, line, body_start))
    return parts


def action_body(template: str, start: int, line: int) -> tuple[str, int, bool]:
    """(what is between the braces, where the template goes on, whether it is trimmed there). Raises BadTemplate."""
    comment = template[start:].lstrip()
    if comment.startswith("/*"):
        end = template.find("}}", template.find("*/", start))
    else:
        end = closing(template, start, line)
    if end < 0:
        raise BadTemplate(line, "unclosed action")
    body = template[start:end]
    trims = body.endswith("-") and (body[:-1] == "" or body[-2:-1].isspace())
    return body[:-1] if trims else body, end + 2, trims


def closing(template: str, start: int, line: int) -> int:
    """Where the `}}` of an action is, strings skipped; -1 if nowhere. Raises BadTemplate."""
    at = start
    while at < len(template):
        if template.startswith("}}", at):
            return at
        quote = template[at]
        if quote in "\"`'":
            match = TOKEN.match(template, at)
            if match is None or match.lastgroup not in ("string", "character"):
                raise BadTemplate(line, "unterminated quoted string")
            at = match.end()
        else:
            at += 1
    return -1


def tokens(body: str, line: int, offset: int) -> list[Token]:
    """The tokens of one action. Raises BadTemplate."""
    found: list[Token] = []
    at, glued = 0, False
    while at < len(body):
        match = TOKEN.match(body, at)
        if match is None:
            raise BadTemplate(line, f"unexpected {body[at]!r} in action")
        kind = str(match.lastgroup)
        if kind == "space":
            glued = False
        else:
            found.append(Token(kind, match.group(), line, offset + at, glued))
            glued = True
        at = match.end()
    return found
