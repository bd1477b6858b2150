"""Which stages must be built, and what does each of them need?

Pure. A stage is needed if the target stands on it, or a needed stage copies or mounts from it; no other is ever
touched.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sampan.builder.dockerfile.errors import DockerfileError, located, meant, with_excerpt
from sampan.builder.dockerfile.instructions import Copy, From, Instruction, Run
from sampan.builder.dockerfile.mounts import parse_mount
from sampan.builder.dockerfile.stages import Dockerfile, Stage
from sampan.errors import InvalidRequest
from sampan.images.words import expanded

SCRATCH = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a stage stands on: another stage, or an image by name; neither is `scratch`."""

    stage: int | None = None
    image: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be built. `needed` are the indexes of stages, in file order; the last step is `target`'s."""

    dockerfile: Dockerfile
    target: Stage
    bases: Mapping[int, Base]
    needed: tuple[int, ...]
    steps: int

    def first_step(self, index: int) -> int:
        """The number, from 1, of a stage's FROM among all steps."""
        before = [each for each in self.needed if each < index]
        return 1 + sum(1 + len(self.dockerfile.stages[each].steps) for each in before)


def plan(dockerfile: Dockerfile, target: str, variables: Mapping[str, str], contexts: Collection[str] = ()) -> Plan:
    """What has to be built for `target` ("" for the last stage). Raises InvalidRequest.

    `variables` are the ARGs before the first FROM with their values, and the predefined ones. A name in
    `contexts` is no stage.
    """
    wanted = dockerfile.stage(target) if target else dockerfile.stages[-1]
    if wanted is None:
        names = [stage.start.stage for stage in dockerfile.stages if stage.start.stage]
        raise InvalidRequest(f'target stage "{target}" could not be found{meant(target, names)}')
    bases: dict[int, Base] = {}
    open_: list[int] = []  # on the way from the target: to come back to one of these is a circle
    needed: set[int] = set()
    pending: list[tuple[int, bool]] = [(wanted.index, True)]
    while pending:
        index, enters = pending.pop()
        if not enters:
            open_.pop()
            needed.add(index)
            continue
        if index in needed:
            continue
        stage = dockerfile.stages[index]
        if index in open_:
            raise InvalidRequest(f"circular dependency detected on stage: {stage.name}")
        open_.append(index)
        pending.append((index, False))
        bases[index] = _base(dockerfile, stage, variables, contexts)
        pending += [(other, True) for other in _uses(dockerfile, stage, bases[index], contexts)]
    order = tuple(sorted(needed))
    steps = sum(1 + len(dockerfile.stages[index].steps) for index in order)
    return Plan(dockerfile=dockerfile, target=wanted, bases=bases, needed=order, steps=steps)


def global_arguments(
    dockerfile: Dockerfile, given: Mapping[str, str | None], predefined: Mapping[str, str]
) -> dict[str, str]:
    """The ARGs before the first FROM, and their values. Raises DockerfileError."""
    found = dict(predefined)
    for argument in dockerfile.arguments:
        for name, default in argument.pairs:
            asked = given.get(name)
            try:
                value = asked if asked is not None else default and expanded(default, found, argument.node.escape).text
            except InvalidRequest as error:
                raise _shown(error, argument, dockerfile) from None
            if value is not None:
                found[name] = value
    return found


def sources_of(instruction: Instruction) -> list[str]:
    """The stages, images and contexts that an instruction reads from, by name."""
    if isinstance(instruction, Copy):
        return [instruction.from_] if instruction.from_ else []
    if isinstance(instruction, Run):
        return [mount.from_ for mount in (parse_mount(text) for text in instruction.mounts) if mount.from_]
    return []


def _base(dockerfile: Dockerfile, stage: Stage, variables: Mapping[str, str], contexts: Collection[str]) -> Base:
    start = stage.start
    try:
        name = expanded(start.image, variables, start.node.escape).text
        platform = expanded(start.platform, variables, start.node.escape).text
        if not name:
            raise InvalidRequest(f"base name ({start.image}) should not be blank")
    except InvalidRequest as error:
        raise _shown(error, start, dockerfile) from None
    earlier = dockerfile.stage(name, before=stage.index)
    # A number is never the name of a base: `FROM 0` is an image.
    if earlier is not None and earlier.start.stage == name.lower() and name not in contexts:
        return Base(stage=earlier.index, platform=platform)
    return Base(image="" if name == SCRATCH else name, platform=platform)


def _uses(dockerfile: Dockerfile, stage: Stage, base: Base, contexts: Collection[str]) -> Sequence[int]:
    found = [] if base.stage is None else [base.stage]
    for step in stage.steps:
        for name in sources_of(step):
            if "$" in name or name in contexts:
                continue  # told when the step is reached
            other = dockerfile.stage(name)
            if other is not None:
                if other.index == stage.index:
                    raise _shown(
                        InvalidRequest(f"circular dependency detected on stage: {stage.name}"), step, dockerfile
                    )
                found.append(other.index)
    return found


def _shown(error: InvalidRequest, instruction: Instruction | From, dockerfile: Dockerfile) -> DockerfileError:
    node = instruction.node
    return with_excerpt(located(error, node.line, node.end_line, node.column), dockerfile.text)
