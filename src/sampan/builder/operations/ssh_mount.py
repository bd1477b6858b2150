"""RUN --mount=type=ssh: where is the agent's socket, and what if there is none?

As BuildKit has it: the first of a step is also what SSH_AUTH_SOCK says; an agent that the client did not offer is an
error only where it is required. The socket is a mount, so it is in no layer; the key knows the id and the place alone.
"""

import itertools
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from sampan.builder.build import Build
from sampan.builder.dockerfile.mounts import SSH, RunMount
from sampan.builder.ssh_agent import agent_socket
from sampan.errors import InvalidRequest

DEFAULT_ID = "default"
TARGET = "/run/buildkit/ssh_agent."
MODE = 0o600


def with_targets(mounts: Sequence[RunMount]) -> list[RunMount]:
    """The mounts of a step, those of agents with the places that they have when nobody names one."""
    number = itertools.count()
    return [
        replace(mount, target=mount.target or f"{TARGET}{next(number)}") if mount.kind == SSH else mount
        for mount in mounts
    ]


async def mount_agent(build: Build, mount: RunMount, held: AsyncExitStack) -> str:
    """The path of a socket that is there while `held` is; "" when there is no such agent. Raises InvalidRequest."""
    agent, link = mount.id or DEFAULT_ID, build.request.agents
    if link is None or agent not in link.agents:
        if mount.required:
            raise InvalidRequest(f'no SSH key "{agent}" forwarded from the client: build with --ssh {agent}')
        return ""
    root = build.services.secrets_root
    root.mkdir(mode=0o700, exist_ok=True)  # parents=True would leave the mode to the umask
    mode = MODE if mount.mode is None else mount.mode
    socket = agent_socket(link, agent, root / secrets.token_hex(16), mode=mode, uid=mount.uid or 0, gid=mount.gid or 0)
    return str(await held.enter_async_context(socket))
