"""What must a network driver be able to do?

One protocol for drivers that do nothing (host, none) and for those that move cables (bridge, macvlan, overlay). The
engine calls, in this order:

    settle     at `network create`: judge the options, before anything is kept
    prepare    then: make what all endpoints share (the bridge, its firewall rules); again after a restart; idempotent
    check      when a container is created: can these wishes be granted on this network? Nothing is changed
    grant      at start: addresses are granted; add what the driver decides. Pure; what is returned is recorded
    join       then: the namespace exists and the program does not run yet; make the endpoint
    lead       this endpoint becomes the sandbox's way to the outside (default route, published ports), or stops being
    leave      at exit, or after a crash; idempotent, and needs neither the namespace nor a running container
    reconcile  at start-up, once: make what all rows say true at one blow, so that nothing running is interrupted
    restore    then, for each endpoint of a container that still runs: make the kernel match
    discard    at `network rm`; idempotent

Whatever `join` is to make is recorded before the kernel is changed, so that `leave` can undo a join that a crash cut.
"""

from collections.abc import Sequence
from typing import Protocol

from sampan.networks.model import Endpoint, Network, Sandbox, Stack, Wishes


class Driver(Protocol):
    """How the endpoints of a network come to talk.

    `has_addresses`: IPAM grants its endpoints addresses, and their rows are kept. `publishes`: its ports can be
    published on the host.
    """

    name: str
    stack: Stack
    has_addresses: bool
    publishes: bool

    def settle(self, network: Network) -> Network:
        """Judge the options of a network that is to be made. Raises InvalidRequest, Forbidden, NotSupported."""

    def check(self, network: Network, wishes: Wishes) -> None:
        """Raises InvalidRequest or NotSupported for a wish that cannot be granted."""

    async def prepare(self, network: Network) -> None:
        """Make what the network's endpoints share."""

    async def discard(self, network: Network) -> None:
        """Unmake it."""

    def grant(self, network: Network, endpoint: Endpoint) -> Endpoint:
        """The endpoint with what the driver adds to it: gateways, the name of its end on the host, details."""

    async def join(self, network: Network, sandbox: Sandbox, endpoint: Endpoint) -> None:
        """Join a sandbox to the network."""

    async def lead(self, network: Network, sandbox: Sandbox, endpoint: Endpoint, outside: bool) -> None:
        """Be the sandbox's way to the outside, or be it no longer."""

    async def leave(
        self, network: Network, endpoint: Endpoint, sandbox: Sandbox | None = None, *, gone: bool = False
    ) -> None:
        """Undo `join` and `lead`, in the `sandbox` too if that lives on.

        What need not be waited for may follow later if it is `gone` anyway.
        """

    async def reconcile(self, found: Sequence[tuple[Network, Endpoint]], networks: Sequence[Network]) -> None:
        """At start-up, with every endpoint and network that has a row: put the kernel right, remove what is stray."""

    async def close(self) -> None:
        """The engine ends: finish what was begun, and leave everything as it is."""

    async def restore(self, network: Network, endpoint: Endpoint, sandbox: Sandbox) -> bool:
        """Make sure that what `join` made is there; whether it had to be made anew, and `lead` is to be asked again.

        What is there is not touched: a container may have changed its own routes.
        """
