"""How do `--network none` and `--network host` work?

Neither has anything to make: `none` is a stack of its own with nothing but the loopback device (the runtime brings it
up), and `host` is the host's stack. Their endpoints exist so that inspect has something to show.
"""

import hashlib
from collections.abc import Sequence

from sampan.errors import Forbidden, InvalidRequest
from sampan.networks.model import Endpoint, Network, Sandbox, Stack, Wishes


class Still:
    """A driver that changes nothing in the kernel."""

    has_addresses = False
    publishes = False

    def __init__(self, name: str, stack: Stack) -> None:
        self.name = name
        self.stack = stack

    def settle(self, network: Network) -> Network:
        """There is one of each, and it is predefined."""
        raise Forbidden(f'only one instance of "{self.name}" network is allowed')

    def check(self, network: Network, wishes: Wishes) -> None:
        """No addresses are handed out here, so none can be wished for."""
        refuse_names_and_addresses(wishes)

    async def prepare(self, network: Network) -> None:
        """Nothing is shared."""

    async def discard(self, network: Network) -> None:
        """Nothing was made."""

    def grant(self, network: Network, endpoint: Endpoint) -> Endpoint:
        """An endpoint in name only; its id follows from the two it joins, so that it is known again after a restart."""
        made = hashlib.sha256(f"{network.id}/{endpoint.container_id}".encode()).hexdigest()
        return Endpoint(id=made, network_id=network.id, container_id=endpoint.container_id)

    async def join(self, network: Network, sandbox: Sandbox, endpoint: Endpoint) -> None:
        """Nothing is made."""

    async def lead(self, network: Network, sandbox: Sandbox, endpoint: Endpoint, outside: bool) -> None:
        """Nothing is to be done."""

    async def leave(
        self, network: Network, endpoint: Endpoint, sandbox: Sandbox | None = None, *, gone: bool = False
    ) -> None:
        """Nothing is left."""

    async def reconcile(self, found: Sequence[tuple[Network, Endpoint]], networks: Sequence[Network]) -> None:
        """Nothing can be wrong."""

    async def close(self) -> None:
        """Nothing is under way."""

    async def restore(self, network: Network, endpoint: Endpoint, sandbox: Sandbox) -> bool:
        """Nothing to restore."""
        return False


def refuse_names_and_addresses(wishes: Wishes) -> None:
    """What only networks that users made can grant. Raises InvalidRequest."""
    if wishes.ipv4_address or wishes.ipv6_address:
        raise InvalidRequest("user specified IP address is supported on user defined networks only")
    if wishes.aliases:
        raise InvalidRequest("network-scoped alias is supported only for containers in user defined networks")


def none() -> Still:
    """The driver of the network `none`, which Docker calls "null"."""
    return Still("null", Stack.NEW)


def host() -> Still:
    """The driver of the network `host`."""
    return Still("host", Stack.HOST)
