"""How does a container come to the resolver at 127.0.0.11, and its neighbours to its names?

On a network that a user made: the resolver is opened with the container's network stack, and copies of its sockets go
to the shim. What the container is called on its networks is made known when it joins them. A network's option
`com.sampan.network.dns=false` switches all of this off for it; a container that is on such networks only has the host's
servers in /etc/resolv.conf, as on the default network.
"""

import logging

from sampan.containers import files, ports, resolv_conf
from sampan.containers.engine import Engine
from sampan.containers.links import parse
from sampan.containers.model import Container
from sampan.containers.needs import Process
from sampan.errors import SampanError
from sampan.networks import mode as network_mode
from sampan.networks.dns_forward import Server, servers_of_host
from sampan.networks.dns_zone import Entry, Seat
from sampan.networks.model import Endpoint, Network
from sampan.networks.resolvers import Asks
from sampan.wire.containers import EndpointSettings

SWITCH = "com.sampan.network.dns"
KEPT = "resolver"

log = logging.getLogger(__name__)


def has_names(network: Network) -> bool:
    """Whether the containers of a network have names there."""
    return network.is_user_defined and network.options.get(SWITCH, "true").lower() not in ("false", "0", "f", "off")


def names_on(container: Container, settings: EndpointSettings) -> tuple[str, ...]:
    """What a container is called on a network, Docker's DNSNames."""
    names = (container.name, *(settings.aliases or ()), container.id[:12], container.config.hostname)
    return tuple(dict.fromkeys(name for name in names if name))


def seats(engine: Engine, container: Container) -> tuple[Seat, ...]:
    """The networks of a running container on which there are names, in the order in which they are asked."""
    found = []
    for name, endpoint in engine.networks.endpoints(container.id).items():
        network = engine.networks.find(name)
        if has_names(network):
            found.append(((-endpoint.gw_priority, network.internal, name), network))
    return tuple(
        Seat(
            network_id=network.id,
            network_name=network.name,
            internal=network.internal,
            links=_links(engine, container, network),
        )
        for _, network in sorted(found, key=lambda each: each[0])
    )


def _links(engine: Engine, container: Container, network: Network) -> dict[str, str]:
    settings = container.networks.get(network.name)
    asked = list((settings.links if settings else None) or ())
    if network.name == next(iter(container.networks), ""):
        asked += container.host.links or ()
    found = {}
    for text in asked:
        reference, alias = parse(text)
        try:
            found[alias.lower()] = engine.rows.find(reference).name
        except SampanError:
            found[alias.lower()] = reference  # it may be made later, and known by that name then
    return found


def asks(engine: Engine, container: Container, sitting: tuple[Seat, ...]) -> Asks:
    """What a container's questions are answered by: other servers are --dns, the daemon's, or the host's."""
    given = container.host.dns or engine.options.dns
    others = (
        [Server(address) for address in given]
        if given
        else servers_of_host(resolv_conf.nameservers(resolv_conf.of_host()))
    )
    words = container.host.dns_options or engine.options.dns_opts
    return Asks(sitting, others, keeps_plain_names=resolv_conf.has_ndots(words) and "ndots:0" not in words)


async def open(engine: Engine, container: Container, namespace: str) -> None:
    """Give a container that has joined its networks its resolver, and make its names known. Raises OSError."""
    announce(engine, container)
    sitting = seats(engine, container)
    if sitting and namespace:
        await engine.resolvers.open(container.id, namespace, asks(engine, container, sitting))


async def keep(engine: Engine, container_id: str, process: Process) -> None:
    """Have the shim hold copies of the resolver's sockets."""
    fds = engine.resolvers.fds(container_id)
    if not fds:
        return
    try:
        await process.keep(KEPT, fds)
    except SampanError as error:
        log.debug("resolver's sockets not kept container=%s error=%s", container_id, error)  # it has ended already


async def take_up(engine: Engine, container: Container, process: Process) -> None:
    """Answer again for a container that went on while no daemon ran: on the sockets that its shim kept."""
    announce(engine, container)
    for endpoint in engine.networks.endpoints(container.id).values():
        files.joined(engine, container, endpoint)  # a connect may have been cut before it came to that
    sitting = seats(engine, container)
    if not sitting:
        return
    namespace = f"/proc/{process.pid}/ns/net"
    try:
        fds = await process.kept(KEPT)
        if len(fds) == 2:
            engine.resolvers.take_up(container.id, namespace, fds, asks(engine, container, sitting))
        else:
            await engine.resolvers.open(container.id, namespace, asks(engine, container, sitting))
            await keep(engine, container.id, process)
    except (SampanError, OSError) as error:
        log.error("resolver not taken up container=%s error=%s", container.id, error)


async def changed(engine: Engine, container: Container) -> None:
    """A container has been put on a network, taken off one, or given another name; it matters if it runs."""
    process = engine.processes.get(container.id)
    if process is None:
        return
    engine.resolvers.withdraw(container.id)
    announce(engine, container)
    sitting = seats(engine, container)
    if engine.resolvers.serves(container.id):
        engine.resolvers.sit(container.id, sitting)
    elif sitting:
        mode = network_mode.parse(container.host.network_mode, engine.networks.default)
        before = files.resolver(engine, container, mode)
        await take_up(engine, container, process)
        files.resolves_anew(engine, container, mode, before)


def announce(engine: Engine, container: Container) -> None:
    """Make the container's names known on its networks."""
    for name, endpoint in engine.networks.endpoints(container.id).items():
        network = engine.networks.find(name)
        if has_names(network):
            settings = container.networks.get(name, EndpointSettings())
            engine.resolvers.announce(container.id, network.id, _entry(container, settings, endpoint))


def _entry(container: Container, settings: EndpointSettings, endpoint: Endpoint) -> Entry:
    addresses = (endpoint.ipv4_address, endpoint.ipv6_address)
    return Entry(
        endpoint_id=endpoint.id,
        names=names_on(container, settings),
        addresses=tuple(address.partition("/")[0] for address in addresses if address),
        ports=ports.exposed(container.config, container.host.port_bindings or {}),
    )


def close(engine: Engine, container_id: str) -> None:
    """The container has ended: no resolver, no names; harmless when there were none."""
    engine.resolvers.withdraw(container_id)
    engine.resolvers.close(container_id)
