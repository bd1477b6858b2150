"""What text does a template make of some data?

Data is JSON (dicts, lists, strings, numbers) or Rows, whose fields are computed when asked for. Go's templates see
typed structs where we see JSON; `types` carries what the types would have said.
"""

from __future__ import annotations

from collections.abc import Callable

from sampan.cli.template.functions import FUNCTIONS, LAZY, NIL_LIST, NIL_MAP, NO_VALUE, Nil, text_of
from sampan.cli.template.lexer import BadTemplate
from sampan.cli.template.parser import Branch, Node, Operand, Pipe, Print, Text, parse
from sampan.cli.template.types import LISTS, MAPS, OPTIONAL
from sampan.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CannotEvaluate(InvalidRequest):
    """The template does not fit the data."""

    def __init__(self, operand: Operand, problem: str) -> None:
        place = f":{operand.line}:{operand.column}"
        super().__init__(f'template: {place}: executing "" at <{operand.text}>: {problem}')


class Row:
    """A line of output: named fields, computed when a template asks. `as_json` gives those without parameters."""

    __slots__ = ("_fields", "_methods")

    def __init__(
        self, fields: dict[str, Callable[[], Any]], methods: dict[str, Callable[..., Any]] | None = None
    ) -> None:
        self._fields = fields
        self._methods = methods or {}

    def get(self, name: str, arguments: list[Any]) -> Any:
        """The value of a field. Raises ValueError when there is no such field."""
        if name in self._methods:
            return self._methods[name](*arguments)
        if name not in self._fields:
            raise ValueError(f"can't evaluate field {name}: there are {', '.join(sorted(self._fields))}")
        return self._fields[name]()

    def as_json(self) -> dict[str, Any]:
        """All fields, by name."""
        return {name: self._fields[name]() for name in sorted(self._fields)}


class Template:
    """A parsed template; `render` it on as much data as you like."""

    def __init__(self, text: str, functions: dict[str, Callable[..., Any]] | None = None) -> None:
        self._nodes = parse(text)
        self._functions = functions or FUNCTIONS

    def render(self, data: Any) -> str:
        """The text for `data`. Raises CannotEvaluate."""
        out: list[str] = []
        self._run(self._nodes, data, {"$": data}, out)
        return "".join(out)

    def _run(self, nodes: list[Node], dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        for node in nodes:
            if isinstance(node, Text):
                out.append(node.text)
            elif isinstance(node, Print):
                value = self._pipe(node.pipe, dot, variables)
                if node.pipe.variables:
                    variables[node.pipe.variables[0]] = value
                else:
                    out.append(text_of(value))
            else:
                self._branch(node, dot, variables, out)

    def _branch(self, node: Branch, dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        value = self._pipe(node.pipe, dot, variables)
        if node.kind == "range":
            self._range(node, value, dot, variables, out)
            return
        if node.pipe.variables:
            variables = {**variables, node.pipe.variables[0]: value}
        if is_true(value):
            self._run(node.body, value if node.kind == "with" else dot, variables, out)
        else:
            self._run(node.otherwise, dot, variables, out)

    def _range(self, node: Branch, value: Any, dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        if isinstance(value, dict):
            pairs: list[tuple[Any, Any]] = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, list | tuple):
            pairs = list(enumerate(value))
        elif isinstance(value, Nil) or value is None or value is NO_VALUE:
            pairs = []
        elif isinstance(value, int) and not isinstance(value, bool):
            pairs = [(number, number) for number in range(value)]
        else:
            raise CannotEvaluate(node.pipe.commands[0][0], f"range can't iterate over {text_of(value)}")
        names = node.pipe.variables
        for key, each in pairs:
            if len(names) == 2:
                variables = {**variables, names[0]: key, names[1]: each}
            elif names:
                variables = {**variables, names[0]: each}
            self._run(node.body, each, variables, out)
        if not pairs:
            self._run(node.otherwise, dot, variables, out)

    def _pipe(self, pipe: Pipe, dot: Any, variables: dict[str, Any]) -> Any:
        value = self._command(pipe.commands[0], [], dot, variables)
        for command in pipe.commands[1:]:
            value = self._command(command, [value], dot, variables)
        return value

    def _command(self, operands: list[Operand], piped: list[Any], dot: Any, variables: dict[str, Any]) -> Any:
        first, rest = operands[0], operands[1:]
        if first.kind == "function":
            return self._call(first, rest, piped, dot, variables)
        if not rest and not piped:
            return self._operand(first, [], dot, variables)
        arguments = [self._operand(each, [], dot, variables) for each in rest] + piped
        if not first.fields:
            raise CannotEvaluate(first, "can't give argument to non-function")
        return self._operand(first, arguments, dot, variables)

    def _call(self, first: Operand, rest: list[Operand], piped: list[Any], dot: Any, variables: dict[str, Any]) -> Any:
        if first.value in LAZY:
            value: Any = None
            for each in [*rest, *piped]:
                value = self._operand(each, [], dot, variables) if isinstance(each, Operand) else each
                if is_true(value) == (first.value == "or"):
                    break
            return value
        function = self._functions.get(first.value)
        if function is None:
            raise BadTemplate(first.line, f'function "{first.value}" not defined')
        arguments = [self._operand(each, [], dot, variables) for each in rest] + piped
        try:
            value = function(*arguments)
        except (ValueError, TypeError, AttributeError) as error:
            raise CannotEvaluate(first, str(error)) from None
        return self._fields(first, value, [])

    def _operand(self, operand: Operand, arguments: list[Any], dot: Any, variables: dict[str, Any]) -> Any:
        if operand.kind == "literal":
            return operand.value
        if operand.kind == "pipe":
            value = self._pipe(operand.value, dot, variables)
        elif operand.kind == "variable":
            if operand.value not in variables:
                raise CannotEvaluate(operand, f"undefined variable {operand.value!r}")
            value = variables[operand.value]
        elif operand.kind == "function":
            return self._call(operand, [], [], dot, variables)
        else:
            value = dot
        return self._fields(operand, value, arguments)

    def _fields(self, operand: Operand, value: Any, arguments: list[Any]) -> Any:
        previous = ""
        for at, name in enumerate(operand.fields):
            last = at == len(operand.fields) - 1
            value = field(operand, value, name, previous, arguments if last else [])
            previous = name
        return value


def field(operand: Operand, value: Any, name: str, parent: str, arguments: list[Any]) -> Any:
    """`value.name`; `parent` is the field that `value` came from. Raises CannotEvaluate."""
    if isinstance(value, Row):
        try:
            return value.get(name, arguments)
        except (ValueError, TypeError) as error:
            raise CannotEvaluate(operand, str(error)) from None
    if isinstance(value, dict):
        found = value.get(name, NO_VALUE)
        if found is NO_VALUE:
            # Go's names and JSON's differ in case only: ID and Id, CPUShares and CpuShares.
            found = next((each for key, each in value.items() if key.lower() == name.lower()), NO_VALUE)
        if found is NO_VALUE and parent not in MAPS:
            if name not in OPTIONAL:
                raise CannotEvaluate(operand, f'map has no entry for key "{name}"')
            found = None
        if found is None and name in LISTS | MAPS:
            return NIL_LIST if name in LISTS else NIL_MAP
        return found
    if value is None or value is NO_VALUE:
        raise CannotEvaluate(operand, f"nil pointer evaluating {parent or 'nil'}.{name}")
    if isinstance(value, Nil):
        return NO_VALUE
    raise CannotEvaluate(operand, f"can't evaluate field {name} in {text_of(value)[:40]!r}")


def is_true(value: Any) -> bool:
    """Go's idea of true: not false, 0, nil or empty."""
    return bool(value)
