"""What can an instruction say?

One frozen class for each of the eighteen instructions (Dockerfile reference). Words are as written, variables not yet
expanded; `node` is where it stands. `parse` makes these, `graph` obeys them.
"""

from dataclasses import dataclass

from sampan.builder.dockerfile.lexer import Heredoc, Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """Any instruction; `node` is how and where it is written."""

    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    """FROM: the beginning of a stage; `stage` is its name in lower case, "" for none."""

    image: str
    stage: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """ARG: names with their defaults, None where there is none."""

    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    """ENV; `legacy` is the old form without `=`."""

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    """LABEL; `legacy` is the old form without `=`."""

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    """MAINTAINER."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Instruction):
    """COPY and ADD: sources and a destination. `heredocs` stand for the sources of their names."""

    sources: tuple[str, ...]
    target: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Transfer):
    """COPY. `from_`: a stage, an image or a named context, "" for the build context."""

    from_: str = ""
    parents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Transfer):
    """ADD. `unpack` is None where it depends on the source: local archives are, remote ones are not."""

    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Instruction):
    """A command line: one text for the shell, or words (the JSON form)."""

    words: tuple[str, ...]
    is_shell: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Command):
    """RUN; `mounts` are the texts of its --mount flags."""

    mounts: tuple[str, ...] = ()
    network: str = ""
    security: str = ""
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Command):
    """CMD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Command):
    """ENTRYPOINT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    """SHELL."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    """EXPOSE: ports, ranges, protocols, as written."""

    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    """VOLUME."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    """USER."""

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    """WORKDIR."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    """STOPSIGNAL."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    """HEALTHCHECK: the test as the image config has it; durations in nanoseconds, 0 for the default."""

    test: tuple[str, ...]
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBuild(Instruction):
    """ONBUILD: an instruction for the builds that start from this image."""

    expression: str
    trigger: Instruction
