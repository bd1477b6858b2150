"""What is allowed in a Dockerfile, and yet probably a mistake?

The rules of `docker build --check`, by their names there; each a function of the parsed file. `# check=skip=NAME` and
`error=true` are obeyed by whoever asks. What only shows while a stage is worked out (variables that nobody has set,
files that .dockerignore leaves out) is in `lint_stage`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sampan.builder.dockerfile import instructions as said
from sampan.builder.dockerfile.directives import Checks
from sampan.builder.dockerfile.errors import excerpt
from sampan.builder.dockerfile.lexer import Node
from sampan.builder.dockerfile.stages import Dockerfile

DOCS = "https://docs.docker.com/go/dockerfile/rule/"
SECRET_WORDS = re.compile(
    r"(?:^|_)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)"
)
PUBLIC_WORDS = re.compile(r"public", re.IGNORECASE)
RESERVED_STAGES = ("scratch", "context")
EXPERIMENTAL = frozenset(("copyignoredfile", "invaliddefinitiondescription"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One warning."""

    rule: str
    message: str
    line: int
    end_line: int

    @property
    def url(self) -> str:
        """Where the rule is explained."""
        return DOCS + re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", self.rule).lower() + "/"

    def shown(self, text: str, name: str = "Dockerfile") -> str:
        """The lines it is about."""
        return excerpt(text, self.line, self.end_line, name=name)


def _at(rule: str, message: str, node: Node) -> Finding:
    return Finding(rule=rule, message=message, line=node.line, end_line=node.end_line)


def lint(dockerfile: Dockerfile) -> list[Finding]:
    """Every warning that the text alone gives rise to, in the order of the lines."""
    found = [finding for rule in RULES for finding in rule(dockerfile)]
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def wanted(findings: list[Finding], checks: Checks) -> list[Finding]:
    """Those that `# check=` does not switch off, and of the experimental ones those that it switches on."""
    if checks.skip_all:
        return []
    kept = [finding for finding in findings if finding.rule.lower() not in checks.skip]
    return [
        finding
        for finding in kept
        if finding.rule.lower() not in EXPERIMENTAL
        or checks.experimental_all
        or finding.rule.lower() in checks.experimental
    ]


def instructions_of(dockerfile: Dockerfile) -> Iterator[said.Instruction]:
    """All of them, in order."""
    yield from dockerfile.arguments
    for stage in dockerfile.stages:
        yield stage.start
        yield from stage.steps


def _casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    nodes = [instruction.node for instruction in instructions_of(dockerfile)]
    lower = sum(node.name.islower() for node in nodes)
    upper = sum(node.name.isupper() for node in nodes)
    word = "lowercase" if lower > upper else "uppercase"
    for node in nodes:
        if not (node.name.islower() if word == "lowercase" else node.name.isupper()):
            message = f"Command '{node.name}' should match the case of the command majority ({word})"
            yield _at("ConsistentInstructionCasing", message, node)


def _duplicate_stages(dockerfile: Dockerfile) -> Iterator[Finding]:
    seen: set[str] = set()
    for stage in dockerfile.stages:
        name = stage.start.stage
        if name and name in seen:
            message = f'Duplicate stage name "{name}", stage names should be unique'
            yield _at("DuplicateStageName", message, stage.start.node)
        seen.add(name)


def _from_as_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        node, words = stage.start.node, stage.start.node.rest.split()
        if len(words) == 3 and (words[1].isupper() != node.name.isupper() or words[1].islower() != node.name.islower()):
            yield _at("FromAsCasing", f"'{words[1]}' and '{node.name}' keywords' casing do not match", node)


def _constant_platform(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        platform = stage.start.platform
        names = stage.start.stage.replace("-", "_").split("_")
        parts = [part for part in platform.replace("/", "_").split("_") if part]
        if platform and "$" not in platform and not any(part in names for part in parts):
            message = f'FROM --platform flag should not use constant value "{platform}"'
            yield _at("FromPlatformFlagConstDisallowed", message, stage.start.node)


def _redundant_platform(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        if stage.start.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            word = stage.start.platform
            message = f"Setting platform to predefined {word} in FROM is redundant as this is the default behavior"
            yield _at("RedundantTargetPlatform", message, stage.start.node)


def _reserved_stages(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        if stage.start.stage in RESERVED_STAGES:
            message = f'Stage name should not use the same name as reserved stage "{stage.start.stage}"'
            yield _at("ReservedStageName", message, stage.start.node)


def _stage_casing(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        words = stage.start.node.rest.split()
        if len(words) == 3 and words[2] != words[2].lower():
            yield _at("StageNameCasing", f"Stage name '{words[2]}' should be lowercase", stage.start.node)


def _descriptions(dockerfile: Dockerfile) -> Iterator[Finding]:
    """A comment right above FROM or ARG describes it, and begins with its name."""
    for instruction in instructions_of(dockerfile):
        node = instruction.node
        if not node.comments:
            continue
        if isinstance(instruction, said.From) and instruction.stage:
            names = [instruction.stage]
        elif isinstance(instruction, said.Arg):
            names = [name for name, _ in instruction.pairs]
        else:
            continue
        if not any(node.comments[0].startswith(f"{name} ") for name in names):
            what = "build stage" if isinstance(instruction, said.From) else "build argument"
            message = f"Comment for {what} should follow the format: `# <arg/stage name> <description>`"
            yield _at("InvalidDefinitionDescription", message, node)


def _json_arguments(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        has_shell = False
        for step in stage.steps:
            has_shell = has_shell or isinstance(step, said.Shell)
            if isinstance(step, said.Cmd | said.Entrypoint) and step.is_shell and step.words and not has_shell:
                word = step.node.keyword
                message = f"JSON arguments recommended for {word} to prevent unintended behavior related to OS signals"
                yield _at("JSONArgsRecommended", message, step.node)


def _legacy_pairs(dockerfile: Dockerfile) -> Iterator[Finding]:
    for instruction in instructions_of(dockerfile):
        if isinstance(instruction, said.Env | said.Label) and instruction.legacy:
            word = instruction.node.keyword
            message = f'"{word} key=value" should be used instead of legacy "{word} key value" format'
            yield _at("LegacyKeyValueFormat", message, instruction.node)


def _maintainers(dockerfile: Dockerfile) -> Iterator[Finding]:
    for instruction in instructions_of(dockerfile):
        if isinstance(instruction, said.Maintainer):
            message = "Maintainer instruction is deprecated in favor of using label"
            yield _at("MaintainerDeprecated", message, instruction.node)


def _multiple(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        for kind in (said.Cmd, said.Entrypoint, said.Healthcheck):
            of_kind = [step for step in stage.steps if isinstance(step, kind)]
            for step in of_kind[:-1]:
                word = step.node.keyword
                message = (
                    f"Multiple {word} instructions should not be used in the same stage "
                    "because only the last one will be used"
                )
                yield _at("MultipleInstructionsDisallowed", message, step.node)


def _empty_continuations(dockerfile: Dockerfile) -> Iterator[Finding]:
    for line, end_line in dockerfile.lexed.empty_continuations:
        yield Finding(rule="NoEmptyContinuation", message="Empty continuation line", line=line, end_line=end_line)


def _secrets(dockerfile: Dockerfile) -> Iterator[Finding]:
    for instruction in instructions_of(dockerfile):
        if not isinstance(instruction, said.Env | said.Arg):
            continue
        for name, _ in instruction.pairs:
            if SECRET_WORDS.search(name.lower()) and not PUBLIC_WORDS.search(name):
                word = instruction.node.keyword
                message = f'Do not use ARG or ENV instructions for sensitive data ({word} "{name}")'
                yield _at("SecretsUsedInArgOrEnv", message, instruction.node)


def _relative_workdirs(dockerfile: Dockerfile) -> Iterator[Finding]:
    for stage in dockerfile.stages:
        absolute = False
        for step in stage.steps:
            if not isinstance(step, said.Workdir):
                continue
            if step.path.startswith(("/", "$")):
                absolute = True
            elif not absolute:
                message = f'Relative workdir "{step.path}" can have unexpected results if the base image changes'
                yield _at("WorkdirRelativePath", message, step.node)


def _exposed(dockerfile: Dockerfile) -> Iterator[Finding]:
    for instruction in instructions_of(dockerfile):
        if not isinstance(instruction, said.Expose):
            continue
        for port in instruction.ports:
            protocol = port.partition("/")[2]
            if ":" in port and "$" not in port:
                message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                yield _at("ExposeInvalidFormat", message, instruction.node)
            elif protocol and protocol != protocol.lower():
                message = f'Defined protocol "{protocol}" in EXPOSE instruction should be lowercase'
                yield _at("ExposeProtoCasing", message, instruction.node)


RULES: tuple[Callable[[Dockerfile], Iterator[Finding]], ...] = (
    _casing,
    _duplicate_stages,
    _from_as_casing,
    _constant_platform,
    _redundant_platform,
    _reserved_stages,
    _stage_casing,
    _descriptions,
    _json_arguments,
    _legacy_pairs,
    _maintainers,
    _multiple,
    _empty_continuations,
    _secrets,
    _relative_workdirs,
    _exposed,
)


def summary(findings: list[Finding], text: str, name: str) -> list[Mapping[str, object]]:
    """The warnings as a client gets them."""
    return [
        {
            "Rule": finding.rule,
            "Message": finding.message,
            "Url": finding.url,
            "Line": finding.line,
            "Shown": finding.shown(text, name),
        }
        for finding in findings
    ]
