"""Which networks are there, and who is joined to them?

The predefined networks keep their ids over restarts, derived from the data root's own id, so that two engines on a
machine differ. Networks that users make, their rows and IPAM come with the drivers that need them.
"""

import hashlib
from collections.abc import Iterable

from sampan.errors import NotFound
from sampan.networks import predefined
from sampan.networks.driver import Driver
from sampan.networks.model import Endpoint, Network, Sandbox, Wishes


class Networks:
    """All networks, their drivers, and the endpoints of running containers."""

    def __init__(self, engine_id: str, created_ns: int = 0, *, default: str = "bridge") -> None:
        """`engine_id` tells this engine from others; `default` is what NetworkMode "default" means."""
        self.default = default
        drivers: Iterable[Driver] = (predefined.none(), predefined.host())
        self._drivers = {driver.name: driver for driver in drivers}
        self._networks = {
            name: Network(id=_derived_id(engine_id, name), name=name, driver=driver, created_ns=created_ns)
            for name, driver in (("none", "null"), ("host", "host"))
        }
        self._endpoints: dict[str, dict[str, Endpoint]] = {}

    def find(self, reference: str) -> Network:
        """The network with this name, id or unambiguous beginning of an id. Raises NotFound."""
        if reference in self._networks:
            return self._networks[reference]
        found = [network for network in self._networks.values() if reference and network.id.startswith(reference)]
        if len(found) != 1:
            raise NotFound(f"network {reference} not found")
        return found[0]

    def all(self) -> list[Network]:
        """Every network, by name."""
        return sorted(self._networks.values(), key=lambda network: network.name)

    def driver(self, network: Network) -> Driver:
        """The driver that serves `network`."""
        return self._drivers[network.driver]

    def check(self, name: str, wishes: Wishes) -> None:
        """Can a container be created that will join network `name`? Raises NotFound, InvalidRequest, NotSupported."""
        network = self.find(name)
        self.driver(network).check(network, wishes)

    async def join(self, name: str, sandbox: Sandbox, wishes: Wishes) -> Endpoint:
        """Join a container that is being started to a network."""
        network = self.find(name)
        endpoint = await self.driver(network).join(network, sandbox, wishes)
        self._endpoints.setdefault(sandbox.container_id, {})[network.name] = endpoint
        return endpoint

    async def leave_all(self, container_id: str) -> None:
        """Undo all joins of a container that has ended; harmless when there are none."""
        for name, endpoint in self._endpoints.pop(container_id, {}).items():
            network = self._networks[name]
            await self.driver(network).leave(network, endpoint)

    def endpoints(self, container_id: str) -> dict[str, Endpoint]:
        """The endpoints of a running container, by network name."""
        return dict(self._endpoints.get(container_id, {}))


def _derived_id(engine_id: str, name: str) -> str:
    return hashlib.sha256(f"{engine_id}/{name}".encode()).hexdigest()
