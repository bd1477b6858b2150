"""What must a network driver be able to do?

One protocol for drivers that do nothing (host, none) and for those that move cables (bridge, macvlan, overlay). The
engine calls, in this order:

    check      at create: can these wishes be granted on this network? Nothing is changed
    prepare    at `network create`: make what all endpoints share (the bridge, its firewall rules)
    join       at start: the namespace exists and the program does not run yet; make the endpoint, publish its ports
    leave      at exit, or after a crash; idempotent, and needs neither the namespace nor a running container
    restore    at start-up, for each endpoint of a container that still runs: make the kernel match
    discard    at `network rm`; idempotent

Whatever `join` allocates it records before it changes the kernel, so that `leave` can undo a join that a crash cut.
"""

from typing import Protocol

from sampan.networks.model import Endpoint, Network, Sandbox, Stack, Wishes


class Driver(Protocol):
    """How the endpoints of a network come to talk."""

    name: str
    stack: Stack

    def check(self, network: Network, wishes: Wishes) -> None:
        """Raises InvalidRequest or NotSupported for a wish that cannot be granted."""

    async def prepare(self, network: Network) -> None:
        """Make what the network's endpoints share."""

    async def discard(self, network: Network) -> None:
        """Unmake it."""

    async def join(self, network: Network, sandbox: Sandbox, wishes: Wishes) -> Endpoint:
        """Join a sandbox to the network."""

    async def leave(self, network: Network, endpoint: Endpoint) -> None:
        """Undo `join`."""

    async def restore(self, network: Network, endpoint: Endpoint, sandbox: Sandbox) -> None:
        """Make sure that what `join` made is there."""
