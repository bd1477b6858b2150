"""Which variables are used and never set, which files are copied and never sent?

The rules of `--check` that need more than the text: the values of ARGs, the environment of base images where they are
known, the patterns of .dockerignore. Nothing is built and nothing pulled.
"""

import posixpath
from collections.abc import Callable, Generator, Iterator, Mapping

from sampan.builder.dockerfile import instructions as said
from sampan.builder.dockerfile.errors import meant
from sampan.builder.dockerfile.lint import Finding
from sampan.builder.dockerfile.stages import Dockerfile, Stage
from sampan.errors import InvalidRequest
from sampan.images.words import expanded
from sampan.wire.patterns import Ignore, has_wildcards

EnvOf = Callable[[str], Mapping[str, str] | None]
"""The environment of an image that is here; None when it is not known."""


def lint_stages(
    dockerfile: Dockerfile, globals_: Mapping[str, str], given: Mapping[str, str | None], env_of: EnvOf, ignore: Ignore
) -> Iterator[Finding]:
    """The warnings about variables and ignored files."""
    yield from _undefined_in_from(dockerfile, globals_)
    environments: dict[int, dict[str, str] | None] = {}
    for stage in dockerfile.stages:
        environments[stage.index] = yield from _stage(dockerfile, stage, globals_, given, env_of, environments)
        yield from _ignored(stage, ignore)


def _finding(rule: str, message: str, instruction: said.Instruction) -> Finding:
    return Finding(rule=rule, message=message, line=instruction.node.line, end_line=instruction.node.end_line)


def _undefined_in_from(dockerfile: Dockerfile, globals_: Mapping[str, str]) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        for word in (stage.start.image, stage.start.platform):
            try:
                result = expanded(word, globals_, stage.start.node.escape)
            except InvalidRequest:
                continue
            for name in result.unset:
                message = f"FROM argument '{name}' is not declared{meant(name, globals_)}"
                yield _finding("UndefinedArgInFrom", message, stage.start)
    without_given = {name for argument in dockerfile.arguments for name, default in argument.pairs if default is None}
    for stage in dockerfile.stages:
        used = {
            name for name in without_given if f"${name}" in stage.start.image or f"${{{name}}}" in stage.start.image
        }
        for name in sorted(used):
            blank = expanded(stage.start.image, {**globals_, name: ""}, stage.start.node.escape).text
            if not blank or blank.endswith((":", "@")) or blank.startswith(":"):
                message = f"Default value for ARG {stage.start.image} results in empty or invalid base image name"
                yield _finding("InvalidDefaultArgInFrom", message, stage.start)


def _stage(
    dockerfile: Dockerfile,
    stage: Stage,
    globals_: Mapping[str, str],
    given: Mapping[str, str | None],
    env_of: EnvOf,
    environments: Mapping[int, dict[str, str] | None],
) -> Generator[Finding, None, dict[str, str] | None]:
    known = _begin(dockerfile, stage, globals_, env_of, environments)
    if known is None:
        return None  # nobody knows what the base image sets
    for step in stage.steps:
        if isinstance(step, said.Arg):
            for name, default in step.pairs:
                known[name] = given.get(name) or default or globals_.get(name, "")
            continue
        for word in _words(step):
            try:
                result = expanded(word, known, step.node.escape)
            except InvalidRequest:
                continue
            for name in result.unset:
                yield _finding("UndefinedVar", f"Usage of undefined variable '${name}'{meant(name, known)}", step)
        if isinstance(step, said.Env):
            known.update(step.pairs)
    return known


def _begin(
    dockerfile: Dockerfile,
    stage: Stage,
    globals_: Mapping[str, str],
    env_of: EnvOf,
    environments: Mapping[int, dict[str, str] | None],
) -> dict[str, str] | None:
    try:
        name = expanded(stage.start.image, globals_, stage.start.node.escape).text
    except InvalidRequest:
        return None
    earlier = dockerfile.stage(name, before=stage.index)
    if earlier is not None:
        found = environments.get(earlier.index)
        return None if found is None else dict(found)
    if name == "scratch":
        return {"PATH": ""}
    env = env_of(name)
    return None if env is None else dict(env)


def _words(step: said.Instruction) -> list[str]:
    """What is expanded of an instruction."""
    if isinstance(step, said.Env | said.Label):
        return [word for pair in step.pairs for word in pair]
    if isinstance(step, said.Transfer):
        return [*step.sources, step.target, step.chown, step.chmod]
    if isinstance(step, said.Expose):
        return list(step.ports)
    if isinstance(step, said.Volume):
        return list(step.paths)
    for kind, field in ((said.User, "user"), (said.Workdir, "path"), (said.StopSignal, "signal")):
        if isinstance(step, kind):
            return [str(getattr(step, field))]
    return []


def _ignored(stage: Stage, ignore: Ignore) -> Iterator[Finding]:
    for step in stage.steps:
        if not isinstance(step, said.Transfer) or (isinstance(step, said.Copy) and step.from_):
            continue
        for source in step.sources:
            path = posixpath.normpath("/" + source).lstrip("/")
            if path and not has_wildcards(path) and "$" not in path and "://" not in path and ignore.excludes(path):
                word = step.node.keyword.capitalize()
                message = f'Attempting to {word} file "{source}" that is excluded by .dockerignore'
                yield _finding("CopyIgnoredFile", message, step)
