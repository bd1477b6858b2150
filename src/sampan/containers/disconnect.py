"""How is a container taken off a network?

The reverse of `connect.py`: the kernel first, then the row, so that a row never hides what is still there. With `force`
a container that nobody knows any more is taken off, too.
"""

from dataclasses import replace

from sampan.containers import files, ports, resolve
from sampan.containers.engine import Engine
from sampan.errors import InvalidRequest, NotFound, SampanError
from sampan.networks import mode as network_mode
from sampan.networks import sandbox as sandboxes
from sampan.networks.model import Network


class NotConnected(SampanError):
    """The container is not on that network; HTTP 500, as dockerd has it."""


async def disconnect(engine: Engine, network_reference: str, reference: str, *, force: bool) -> None:
    """Disconnect a container, in whatever state, from a network. Raises NotFound, InvalidRequest, NotConnected."""
    network = engine.networks.find(network_reference)
    try:
        container_id = engine.rows.find(reference).id
    except NotFound:
        if not force:
            raise
        await _force(engine, network, reference)
        return
    async with engine.lock(container_id):
        container = engine.current(container_id, reference)
        mode = network_mode.parse(container.host.network_mode, engine.networks.default)
        if mode.is_host or network.driver == "host":
            raise InvalidRequest("container cannot be disconnected from host network or connected to host network")
        if network.name not in container.networks:
            raise NotConnected(f"container {container.id} is not connected to network {network.name}")
        left = replace(container, networks={n: s for n, s in container.networks.items() if n != network.name})
        if container.state.is_running:
            endpoint = engine.networks.endpoints(container.id).get(network.name)
            sandbox = sandboxes.of_process(container.id, container.state.pid, name=container.name)
            await engine.networks.leave(container.id, network.name, sandbox)
            await engine.networks.lead(sandbox, ports.published(container.config, container.host))
            if endpoint is not None:
                files.left(engine, container, endpoint)
            await resolve.changed(engine, left)
            engine.publish_joined(container, network, "disconnect")
        await engine.rows.save_durably(left)


async def _force(engine: Engine, network: Network, reference: str) -> None:
    """Take off an endpoint whose container has no row. Raises NotFound when there is none."""
    for container_id in engine.networks.containers_of(network):
        if reference and container_id.startswith(reference) and engine.rows.get(container_id) is None:
            await engine.networks.leave(container_id, network.name)
            return
    raise NotFound(f"endpoint {reference} not found")
