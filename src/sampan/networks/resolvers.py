"""Which containers have a resolver of their own, and who keeps all of them in step with the networks?

One `Zones` for the engine, and for each container on a user's network two sockets, its seats, and whom it asks about
the rest. Opened before the container's program runs, closed when it has ended; in between copies of the sockets are
with the container's shim, so that a daemon that was killed loses no question.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from sampan.linux import netdevice
from sampan.networks.dns_answer import Answers
from sampan.networks.dns_forward import Forwarder, Server
from sampan.networks.dns_server import Resolver, Sockets, open_sockets
from sampan.networks.dns_zone import Entry, Seat, Zones
from sampan.networks.within import Inside


@dataclass(frozen=True, slots=True)
class Asks:
    """What a container's questions are answered by: its networks, and who is asked about the rest.

    `keeps_plain_names`: see `dns_answer.Answers`.
    """

    seats: Sequence[Seat] = ()
    servers: Sequence[Server] = ()
    keeps_plain_names: bool = False


class Resolvers:
    """The resolvers of all running containers, by container id."""

    def __init__(self) -> None:
        self.zones = Zones()
        self._inside: Inside | None = None
        self._resolvers: dict[str, tuple[Resolver, int]] = {}
        self._announced: dict[str, dict[str, str]] = {}

    def announce(self, container_id: str, network_id: str, entry: Entry) -> None:
        """Make a container's names known on one network."""
        self.zones.add(network_id, entry)
        self._announced.setdefault(container_id, {})[network_id] = entry.endpoint_id

    def withdraw(self, container_id: str) -> None:
        """Make all names of a container unknown."""
        for network_id, endpoint_id in self._announced.pop(container_id, {}).items():
            self.zones.remove(network_id, endpoint_id)

    async def open(self, container_id: str, namespace: str, asks: Asks) -> None:
        """Serve a container whose network namespace is at this path. Raises OSError."""
        fd = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sockets = await self._thread().do(fd, _open_inside)
        except BaseException:
            os.close(fd)
            raise
        self._serve(container_id, fd, sockets, asks)

    def take_up(self, container_id: str, namespace: str, fds: Sequence[int], asks: Asks) -> None:
        """Serve a container on the sockets that an earlier daemon opened; takes over `fds`. Raises OSError."""
        udp, tcp = (socket.socket(fileno=fd) for fd in fds)
        try:
            fd = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            udp.close()
            tcp.close()
            raise
        self._serve(container_id, fd, Sockets(udp, tcp), asks)

    def _serve(self, container_id: str, namespace: int, sockets: Sockets, asks: Asks) -> None:
        self.close(container_id)
        forwarder = Forwarder(self._thread(), namespace, asks.servers)
        answers = Answers(self.zones, tuple(asks.seats), keeps_plain_names=asks.keeps_plain_names)
        self._resolvers[container_id] = Resolver(sockets, answers, forwarder), namespace
        self.sit(container_id, asks.seats)

    def sit(self, container_id: str, seats: Sequence[Seat]) -> None:
        """The container is on these networks now; on internal ones only, nobody outside is asked for it."""
        if container_id in self._resolvers:
            resolver, _ = self._resolvers[container_id]
            resolver.answers.sit(tuple(seats))
            resolver.forwarder.enabled = any(not seat.internal for seat in seats)

    def serves(self, container_id: str) -> bool:
        """Whether the container has a resolver."""
        return container_id in self._resolvers

    def fds(self, container_id: str) -> list[int]:
        """The descriptors of the container's sockets, for its shim to keep copies of; none when it has no resolver."""
        if container_id not in self._resolvers:
            return []
        sockets = self._resolvers[container_id][0].sockets
        return [sockets.udp.fileno(), sockets.tcp.fileno()]

    def close(self, container_id: str) -> None:
        """Stop serving a container; harmless when it is not served."""
        if container_id in self._resolvers:
            resolver, namespace = self._resolvers.pop(container_id)
            resolver.close()
            os.close(namespace)

    def close_all(self) -> None:
        """The daemon ends; the shims keep the sockets."""
        for container_id in tuple(self._resolvers):
            self.close(container_id)
        if self._inside is not None:
            self._inside.close()
            self._inside = None

    def _thread(self) -> Inside:
        if self._inside is None:
            self._inside = Inside()
        return self._inside


def _open_inside() -> Sockets:
    netdevice.set_up("lo")
    return open_sockets()
