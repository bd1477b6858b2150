"""Which stages does a Dockerfile have, and what is said before the first?"""

from collections.abc import Sequence
from dataclasses import dataclass

from sampan.builder.dockerfile.directives import Directives
from sampan.builder.dockerfile.errors import DockerfileError, with_excerpt
from sampan.builder.dockerfile.instructions import Arg, From, Instruction
from sampan.builder.dockerfile.lexer import Lexed, lex
from sampan.builder.dockerfile.parse import parse_node

STAGES_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM and what follows it, up to the next. `index` counts from 0."""

    index: int
    start: From
    steps: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        """Its name, or its number."""
        return self.start.stage or str(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A parsed Dockerfile. `arguments` are the ARGs before the first FROM."""

    text: str
    directives: Directives
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    lexed: Lexed

    def stage(self, name: str, before: int | None = None) -> Stage | None:
        """The last stage of that name or number, of those before `before`."""
        known = self.stages[:before]
        wanted = name.lower()
        for stage in reversed(known):
            if stage.start.stage == wanted:
                return stage
        if name.isascii() and name.isdecimal() and len(name) < 6 and int(name) < len(known):
            return known[int(name)]
        return None


def parse_dockerfile(text: str, *, name: str = "Dockerfile") -> Dockerfile:
    """The Dockerfile in `text`. Raises DockerfileError, which shows the place."""
    try:
        return _parse(text)
    except DockerfileError as error:
        raise with_excerpt(error, text, name) from None


def parse_triggers(expressions: Sequence[str], image: str) -> tuple[Instruction, ...]:
    """The instructions that an image's ONBUILD adds. Raises DockerfileError."""
    found: list[Instruction] = []
    for expression in expressions:
        try:
            found += [parse_node(node) for node in lex(expression).nodes]
        except DockerfileError as error:
            raise DockerfileError(f"ONBUILD of {image}: {error.sentence}") from None
    return tuple(found)


def _parse(text: str) -> Dockerfile:
    lexed = lex(text)
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for node in lexed.nodes:
        instruction = parse_node(node)
        if isinstance(instruction, From):
            if len(stages) >= STAGES_MAX:
                raise DockerfileError(f"a Dockerfile has at most {STAGES_MAX} stages", line=node.line)
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            raise DockerfileError(
                f"dockerfile parse error on line {node.line}: no build stage in current context",
                line=node.line, end_line=node.end_line, column=node.column,
            )  # fmt: skip
    if not stages:
        raise DockerfileError("dockerfile contains no stages to build")
    return Dockerfile(
        text=text,
        directives=lexed.directives,
        arguments=tuple(arguments),
        stages=tuple(
            Stage(index=index, start=start, steps=tuple(steps)) for index, (start, steps) in enumerate(stages)
        ),
        lexed=lexed,
    )
