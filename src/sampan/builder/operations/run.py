"""RUN: a program in a container on the stage so far; what it changed becomes a layer.

The container is made by the same code as any other (`containers.step`), so its walls are those of `docker run`. Its
output goes to the client alone, its environment is the image's and the ARGs in scope.
"""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

from sampan.builder.build import Build, Position
from sampan.builder.cache import key_of
from sampan.builder.configure import command_words
from sampan.builder.dockerfile.instructions import Run
from sampan.builder.dockerfile.lexer import Heredoc
from sampan.builder.foreign import refuse_what_cannot_run
from sampan.builder.operations.run_mounts import Mounted, mount_all
from sampan.builder.operations.transfer import heredoc_text
from sampan.builder.state import PATH, PROXIES, State
from sampan.errors import Forbidden, SampanError
from sampan.layers.pack import pack
from sampan.oci.chain import chain_id
from sampan.wire.containers import ContainerConfig, HostConfig

HOSTNAME = "buildkitsandbox"
HOSTNAME_ARGUMENT = "BUILDKIT_SANDBOX_HOSTNAME"
HEREDOC_TARGET = "/dev/pipes/"


class StepFailed(SampanError):
    """The program of a RUN ended with another code than 0."""

    def __init__(self, command: str, code: int) -> None:
        super().__init__(f"The command '{command}' returned a non-zero code: {code}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a RUN runs. `told` is how history and errors name it; `input` are the files of its heredocs, by path."""

    argv: tuple[str, ...]
    env: tuple[str, ...]
    told: str
    arguments: tuple[str, ...]
    input: Mapping[str, bytes]


def command_of(state: State, instruction: Run) -> Command:
    """What is to be run; nothing is expanded here but by the shell inside."""
    words, files = command_words(state, instruction), dict[str, bytes]()
    if instruction.heredocs and instruction.is_shell:
        words, files = _with_heredocs(state, instruction)
    image = state.env
    in_scope = {name: value for name, value in state.arguments.items() if name not in image}
    env = {"PATH": PATH, **state.proxies, **in_scope, **image}
    told = " ".join(words)
    shown = tuple(f"{name}={value}" for name, value in in_scope.items() if name not in PROXIES)
    return Command(
        argv=tuple(words),
        env=tuple(f"{name}={value}" for name, value in env.items()),
        told=told,
        arguments=shown,
        input=files,
    )


def history_of(command: Command) -> str:
    """BuildKit's words: `RUN |1 N=0 /bin/sh -c make`."""
    arguments = f"|{len(command.arguments)} {' '.join(command.arguments)} " if command.arguments else ""
    return f"RUN {arguments}{command.told}"


def _with_heredocs(state: State, instruction: Run) -> tuple[list[str], dict[str, bytes]]:
    """Heredocs of a RUN: the only word is the script, or they are the shell's own to read."""
    text = instruction.words[0]
    first = instruction.heredocs[0]
    if len(instruction.heredocs) == 1 and _is_alone(text, first):
        content = heredoc_text(state, instruction, Heredoc(first.name, first.content, False, first.chomp))
        if content.startswith("#!"):
            path = HEREDOC_TARGET + first.name
            return [path], {path: content.encode()}
        return [*state.shell, content], {}
    # `RUN cat <<EOF > /file`: the shell reads them itself, with its own rules of quoting.
    whole = text
    for heredoc in instruction.heredocs:
        whole += f"\n{heredoc.content}{heredoc.name}"
    return [*state.shell, whole], {}


def _is_alone(text: str, heredoc: Heredoc) -> bool:
    return text.lstrip("0123456789").removeprefix("<<").removeprefix("-").strip("'\"") == heredoc.name


async def run(build: Build, state: State, at: Position, instruction: Run) -> None:
    """Do it, or find that it was done."""
    command = command_of(state, instruction)
    if instruction.security == "insecure" and "security.insecure" not in build.request.entitlements:
        raise Forbidden("security.insecure is not allowed: the builder grants no entitlements unless asked (--allow)")
    if instruction.network == "host" and "network.host" not in build.request.entitlements:
        raise Forbidden("network.host is not allowed: the builder grants no entitlements unless asked (--allow)")
    async with AsyncExitStack() as held:
        mounted = await mount_all(build, state, at, instruction, command.input, held)
        key = _key(build, state, instruction, command, mounted)

        async def work() -> str:
            return await _execute(build, state, at, instruction, command, mounted)

        hit, is_cached = await build.cached(key, at.stage_name, f"{at.stage_name}: {history_of(command)}", work)
    if is_cached:
        await build.report.line(at.stage, " ---> Using cache")
        await build.report.event("cached", step=at.step, stage=at.stage)
    state.add_layer(hit.diff_id)
    state.note(history_of(command), created=build.moment(hit.created_ns), is_layer=True)


def _key(build: Build, state: State, instruction: Run, command: Command, mounted: Mounted) -> str:
    proxies = {f"{name}={value}" for name, value in state.proxies.items()}
    return key_of(
        "run",
        chain_id(state.diff_ids) if state.diff_ids else "",
        command.argv,
        [variable for variable in command.env if variable not in proxies or variable.partition("=")[0] in state.env],
        str(state.config.get("User") or ""),
        state.workdir,
        instruction.network or build.request.limits.network_mode,
        instruction.security,
        mounted.key,
        {path: data.decode() for path, data in command.input.items()},
        list(build.request.limits.extra_hosts or ()),
        build.epoch_ns,
        str(state.platform),
    )


async def _execute(
    build: Build, state: State, at: Position, instruction: Run, command: Command, mounted: Mounted
) -> str:
    """Run the container and make a layer of what it changed."""
    await build.in_thread(partial(refuse_what_cannot_run, state.platform, build.platform))
    step_id = secrets.token_hex(32)
    await build.report.line(at.stage, f" ---> Running in {step_id[:12]}")
    services = build.services

    async def output(stream: int, data: bytes) -> None:
        await build.report.said(at.stage, at.step, stream, data)

    try:
        code = await services.steps.run(
            step_id,
            config=_config(build, state, command, mounted),
            host=_host(build, instruction),
            diff_ids=state.diff_ids,
            mounts=mounted.mounts,
            shared=mounted.shared,
            output=output,
        )
        if code:
            raise StepFailed(command.told, code)
        diff_id = await build.in_thread(partial(_layer, build, step_id, mounted))
        await build.report.line(at.stage, f"Removing intermediate container {step_id[:12]}")
        return diff_id
    finally:
        await asyncio.shield(asyncio.ensure_future(services.steps.discard(step_id)))


def _layer(build: Build, step_id: str, mounted: Mounted) -> str:
    upper = build.services.snapshots.upper(step_id)
    return build.ingest(pack(upper, as_docker=True, mounted=mounted.points, latest_ns=build.epoch_ns))


def _config(build: Build, state: State, command: Command, mounted: Mounted) -> ContainerConfig:
    hostname = build.request.arguments.get(HOSTNAME_ARGUMENT) or HOSTNAME
    return ContainerConfig(
        hostname=hostname,
        user=str(state.config.get("User") or ""),
        env=[*command.env, *mounted.env],
        entrypoint=list(command.argv),
        working_dir=state.workdir,
    )


def _host(build: Build, instruction: Run) -> HostConfig:
    asked = build.request.limits
    changed: dict[str, Any] = {}
    if instruction.network and instruction.network != "default":
        changed["network_mode"] = instruction.network
    if instruction.security == "insecure":
        changed["privileged"] = True
    return replace(asked, **changed) if changed else asked
