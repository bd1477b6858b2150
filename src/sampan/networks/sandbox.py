"""Where does a container's network stack come from before there is a container?

The engine makes the namespace itself, holds it by a descriptor, and the container's first process joins it by the
descriptor's path. So everything is in place before the program runs, and should the engine be killed before the start
the namespace dies with the descriptor, and with it every interface in it.
"""

import asyncio
import os
from dataclasses import dataclass

from sampan.linux import netns
from sampan.linux.netdevice import set_up
from sampan.networks.model import Sandbox
from sampan.networks.refused import explained


@dataclass(slots=True)
class Held:
    """A network namespace that nobody is in yet."""

    fd: int

    @property
    def path(self) -> str:
        """Where any process of root can open it, as long as it is held."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def sandbox(self, container_id: str, *, hostname: str = "", name: str = "") -> Sandbox:
        """The stack, as networks know it."""
        return Sandbox(container_id=container_id, namespace=self.path, hostname=hostname, name=name)

    def close(self) -> None:
        """Let go: from here on it lives as long as its container."""
        os.close(self.fd)


async def make() -> Held:
    """A new stack with its loopback device up. Raises NotSupported and others, in a sentence."""
    return Held(await asyncio.to_thread(explained, lambda: netns.make(lambda: set_up("lo"))))


def of_process(container_id: str, pid: int, *, name: str = "") -> Sandbox:
    """The stack of a container that runs."""
    return Sandbox(container_id=container_id, namespace=f"/proc/{pid}/ns/net", name=name)
