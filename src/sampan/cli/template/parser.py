"""What does a template say to do? Tokens become a tree of nodes.

Text · Print(pipe) · Branch(if | with | range, pipe, body, otherwise)
pipe  = variables := command | command …      each command's result is the next one's last argument
command = operand operand …                   operand = field chain, variable, literal, function, (pipe)
"""

from __future__ import annotations

from sampan.cli.template.lexer import BadTemplate, Token, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BRANCHES = ("if", "with", "range")
NOT_SUPPORTED = ("define", "template", "block", "break", "continue")
CONSTANTS = {"true": True, "false": False, "nil": None}


class Operand:
    """One argument: a root (kind, value) and the fields asked of it. `text` is how the user wrote it."""

    __slots__ = ("column", "fields", "kind", "line", "text", "value")

    def __init__(self, kind: str, value: Any, token: Token) -> None:
        self.kind = kind  # dot, variable, literal, function, pipe
        self.value = value
        self.fields: list[str] = []
        self.text = token.text
        self.line = token.line
        self.column = token.column


class Pipe:
    """Commands joined by |, and the variables that take the result; `declares` tells := from =."""

    __slots__ = ("commands", "declares", "variables")

    def __init__(self, commands: list[list[Operand]], variables: list[str], declares: bool) -> None:
        self.commands = commands
        self.variables = variables
        self.declares = declares


class Text:
    """Text as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Print:
    """A pipe whose result is printed, unless it sets variables."""

    __slots__ = ("pipe",)

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe


class Branch:
    """if, with or range."""

    __slots__ = ("body", "kind", "otherwise", "pipe")

    def __init__(self, kind: str, pipe: Pipe, body: list[Node], otherwise: list[Node]) -> None:
        self.kind = kind
        self.pipe = pipe
        self.body = body
        self.otherwise = otherwise


Node = Text | Print | Branch


def parse(template: str) -> list[Node]:
    """The tree of a template. Raises BadTemplate."""
    parts = split(template)
    nodes, _, ending = parse_nodes(parts, 0)
    if ending is not None:
        raise BadTemplate(ending.line, f"unexpected {{{{{ending.text}}}}}")
    return nodes


def parse_nodes(parts: list[Token | list[Token]], at: int) -> tuple[list[Node], int, Token | None]:
    """Nodes up to `end` or `else`: (nodes, index after it, that token); None at the end of the template."""
    nodes: list[Node] = []
    while at < len(parts):
        part = parts[at]
        if isinstance(part, Token):
            nodes.append(Text(part.text))
            at += 1
            continue
        if not part:
            raise BadTemplate(1, "missing value for command")
        first = part[0]
        if first.kind == "word" and first.text in ("end", "else"):
            return nodes, at, first
        if first.kind == "word" and first.text in NOT_SUPPORTED:
            raise BadTemplate(first.line, f"{{{{{first.text}}}}} is not supported here")
        if first.kind == "word" and first.text in BRANCHES:
            branch, at = parse_branch(parts, at, first, part[1:])
            nodes.append(branch)
        else:
            nodes.append(Print(parse_whole_pipe(part)))
            at += 1
    return nodes, at, None


def parse_branch(parts: list[Token | list[Token]], at: int, first: Token, rest: list[Token]) -> tuple[Branch, int]:
    """A branch from its opening action to behind its {{end}}."""
    if not rest:
        raise BadTemplate(first.line, f"missing value for {first.text}")
    pipe = parse_whole_pipe(rest)
    body, at, ending = parse_nodes(parts, at + 1)
    otherwise: list[Node] = []
    if ending is not None and ending.text == "else":
        action = parts[at]
        assert isinstance(action, list)
        if len(action) > 1 and action[1].text in ("if", "with"):
            # {{else if}} is an if of its own, closed by the same {{end}}.
            nested, at = parse_branch(parts, at, action[1], action[2:])
            return Branch(first.text, pipe, body, [nested]), at
        otherwise, at, ending = parse_nodes(parts, at + 1)
    if ending is None or ending.text != "end":
        raise BadTemplate(first.line, "unexpected EOF: an {{end}} is missing")
    return Branch(first.text, pipe, body, otherwise), at + 1


def parse_whole_pipe(tokens: list[Token]) -> Pipe:
    """A pipe that takes all tokens of an action."""
    pipe, at = parse_pipe(tokens, 0)
    if at != len(tokens):
        raise BadTemplate(tokens[at].line, f"unexpected {tokens[at].text!r} in command")
    return pipe


def parse_pipe(tokens: list[Token], at: int) -> tuple[Pipe, int]:
    """A pipe up to its end or a closing parenthesis."""
    variables, declares, at = parse_variables(tokens, at)
    commands: list[list[Operand]] = [[]]
    while at < len(tokens) and tokens[at].text != ")":
        token = tokens[at]
        if token.kind == "mark" and token.text == "|":
            if not commands[-1]:
                raise BadTemplate(token.line, "missing value for command")
            commands.append([])
            at += 1
        else:
            operand, at = parse_operand(tokens, at)
            commands[-1].append(operand)
    if not commands[-1]:
        raise BadTemplate(tokens[0].line if tokens else 1, "missing value for command")
    return Pipe(commands, variables, declares), at


def parse_variables(tokens: list[Token], at: int) -> tuple[list[str], bool, int]:
    """`$a :=`, `$a =` or `$key, $value :=` before a pipe."""
    kinds = [token.text if token.kind == "mark" else token.kind for token in tokens[at : at + 4]]
    if kinds[:2] in (["variable", ":="], ["variable", "="]):
        return [tokens[at].text], kinds[1] == ":=", at + 2
    if kinds == ["variable", ",", "variable", ":="]:
        return [tokens[at].text, tokens[at + 2].text], True, at + 4
    return [], False, at


def parse_operand(tokens: list[Token], at: int) -> tuple[Operand, int]:
    """One operand with the fields glued to it."""
    token = tokens[at]
    at += 1
    if token.kind == "field":
        operand = Operand("dot", None, token)
        operand.fields.append(token.text[1:])
    elif token.text == "(":
        pipe, at = parse_pipe(tokens, at)
        if at == len(tokens):
            raise BadTemplate(token.line, "unclosed left paren")
        operand = Operand("pipe", pipe, token)
        at += 1
    elif token.text == "." and token.kind == "mark":
        operand = Operand("dot", None, token)
    elif token.kind == "variable":
        operand = Operand("variable", token.text, token)
    elif token.kind == "word":
        constant = token.text in CONSTANTS
        operand = (
            Operand("literal", CONSTANTS[token.text], token) if constant else Operand("function", token.text, token)
        )
    elif token.kind in ("string", "number", "character"):
        operand = Operand("literal", literal(token), token)
    else:
        raise BadTemplate(token.line, f"unexpected {token.text!r} in operand")
    while at < len(tokens) and tokens[at].kind == "field" and tokens[at].glued:
        operand.fields.append(tokens[at].text[1:])
        operand.text += tokens[at].text
        at += 1
    return operand, at


def literal(token: Token) -> Any:
    """The value of a string, number or character. Raises BadTemplate."""
    if token.text.startswith("`"):
        return token.text[1:-1]
    from ast import literal_eval  # here, because few templates have literals and its import is not cheap

    try:
        value = literal_eval(token.text)
    except (ValueError, SyntaxError):
        raise BadTemplate(token.line, f"bad literal {token.text}") from None
    return ord(value) if token.kind == "character" and len(value) == 1 else value
