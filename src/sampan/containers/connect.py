"""How is a container put on one more network?

Its row says so first: a container that does not run joins at its next start, one that runs joins now.
"""

from dataclasses import replace

from sampan.containers import files, networking, ports, resolve
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.containers.model import Container
from sampan.errors import Conflict, Forbidden, InvalidRequest, NotFound
from sampan.networks import mode as network_mode
from sampan.networks import sandbox as sandboxes
from sampan.networks.model import Network
from sampan.wire.containers import EndpointSettings


async def connect(engine: Engine, network_reference: str, reference: str, settings: EndpointSettings) -> None:
    """Connect a container, in whatever state, to a network. Raises NotFound, Forbidden, InvalidRequest and others."""
    network = engine.networks.find(network_reference)
    container_id = engine.rows.find(reference).id
    async with engine.lock(container_id):
        container = engine.current(container_id, reference)
        check(engine, container, network, settings)
        if container.state.status in (Status.REMOVING, Status.DEAD):
            raise Forbidden(f"Container {container.id} is marked for removal and cannot be connected to the network")
        was = dict(container.networks)
        renewed = {**was, network.name: settings}
        if len(was) == 1 and "none" in was:
            raise InvalidRequest(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode"
            )
        joined = replace(container, networks=renewed)
        await engine.rows.save_durably(joined)
        if not container.state.is_running:
            return
        try:
            await _join_now(engine, joined, network, settings)
        except BaseException:
            await engine.networks.leave(container.id, network.name)
            await engine.rows.save_durably(container)
            raise
        files.joined(engine, joined, engine.networks.endpoints(container.id)[network.name])
        await resolve.changed(engine, joined)
        engine.publish_joined(joined, network, "connect")


async def _join_now(engine: Engine, container: Container, network: Network, settings: EndpointSettings) -> None:
    sandbox = sandboxes.of_process(container.id, container.state.pid, name=container.name)
    await engine.networks.join(network.name, sandbox, networking.wishes(container, settings))
    await engine.networks.lead(sandbox, ports.published(container.config, container.host))


def check(engine: Engine, container: Container, network: Network, settings: EndpointSettings) -> None:
    """Could this ever be? Raises InvalidRequest, Conflict, Forbidden, with dockerd's sentences."""
    networking.check(settings)
    mode = network_mode.parse(container.host.network_mode, engine.networks.default)
    if mode.container or (mode.is_host and network.driver != "host"):
        raise Conflict("container sharing network namespace with another container or host cannot be connected "
                       "to any other network")  # fmt: skip
    if network.driver == "host":
        raise InvalidRequest("container cannot be disconnected from host network or connected to host network")
    if network.driver == "null" and container.networks:
        raise InvalidRequest(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        )
    # Not by the row of one that runs: a connect that was cut by a crash has written that, and nothing else.
    is_there = network.name in (
        engine.networks.endpoints(container.id) if container.state.is_running else container.networks
    )
    if is_there and (container.state.is_running or not engine.networks.driver(network).has_addresses):
        raise Forbidden(f"endpoint with name {container.name} already exists in network {network.name}")
    try:
        engine.networks.check(network.name, networking.wishes(container, settings))
    except NotFound:
        raise NotFound(f"network {network.name} not found") from None
