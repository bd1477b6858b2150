"""How does a container come to its networks, and lose them?

What a container asks of each network is kept with it (`Container.networks`) and turned into wishes at each start. The
namespace is there before the program, `sampan.networks.sandbox` says how; who shares another's, or the host's, has
nothing to join.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address

from sampan.containers import links, ports
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.errors import InvalidRequest, SampanError
from sampan.networks import sandbox as sandboxes
from sampan.networks.mode import Mode
from sampan.networks.model import Endpoint, Sandbox, Wishes
from sampan.networks.sandbox import Held
from sampan.wire.containers import EndpointSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a start was given: endpoints, and the path of the namespace to join, "" to have the runtime make one."""

    endpoints: Sequence[Endpoint] = ()
    namespace: str = ""


async def join(engine: Engine, container: Container, network: Mode, undo: ExitStack) -> Joined:
    """Join a container that is about to run to all of its networks. Raises what a network or the kernel says.

    The caller undoes this with `Networks.leave_all`, also when it raises; `undo` lets go of the namespace.
    """
    if not network.network:
        return Joined()
    held = await _own_stack(engine, container)
    if held is not None:
        undo.callback(held.close)
        sandbox = held.sandbox(container.id, hostname=container.config.hostname, name=container.name)
    else:
        sandbox = Sandbox(container_id=container.id, hostname=container.config.hostname, name=container.name)
    endpoints = {}
    for name, settings in container.networks.items():
        endpoints[name] = await engine.networks.join(name, sandbox, wishes(container, settings))
    if held is not None:
        await engine.networks.lead(sandbox, ports.published(container.config, container.host))
        endpoints = engine.networks.endpoints(container.id)
    return Joined(tuple(endpoints.values()), sandbox.namespace)


async def take_up(engine: Engine, container: Container, pid: int) -> None:
    """After a restart of the engine: a container that went on keeps what it had.

    One that ended meanwhile is about to be buried; one whose networks cannot be put right runs on all the same.
    """
    sandbox = sandboxes.of_process(container.id, pid, name=container.name)
    try:
        await engine.networks.restore(sandbox, container.networks)
    except (SampanError, OSError) as error:
        log.warning("networks not put right container=%s error=%s", container.id, error)


async def _own_stack(engine: Engine, container: Container) -> Held | None:
    """A namespace, if any of the networks has something to put into it; else the runtime makes one on its way."""
    drivers = [engine.networks.driver(engine.networks.find(name)) for name in container.networks]
    return await sandboxes.make() if any(driver.has_addresses for driver in drivers) else None


def wishes(container: Container, settings: EndpointSettings) -> Wishes:
    """What an endpoint's settings ask of a network."""
    addresses = settings.ipam_config
    return Wishes(
        ipv4_address=addresses.ipv4_address if addresses else "",
        ipv6_address=addresses.ipv6_address if addresses else "",
        link_local=tuple((addresses.link_local_ips if addresses else None) or ()),
        mac_address=settings.mac_address or container.config.mac_address,
        aliases=tuple(settings.aliases or ()),
        links=tuple(settings.links or ()),
        exposed=ports.exposed(container.config, container.host.port_bindings or {}),
        driver_options=settings.driver_opts or {},
        gw_priority=settings.gw_priority,
    )


def check(settings: EndpointSettings) -> None:
    """Are these addresses at all, and links? Raises InvalidRequest with dockerd's sentences."""
    for text in settings.links or ():
        links.parse(text)
    addresses = settings.ipam_config
    if addresses is None:
        return
    for word, text, version in (
        ("IPv4 address", addresses.ipv4_address, 4),
        ("IPv6 address", addresses.ipv6_address, 6),
        *(("link-local IP address", text, 0) for text in addresses.link_local_ips or ()),
    ):
        try:
            if text and ip_address(text).version != (version or ip_address(text).version):
                raise ValueError
        except ValueError:
            raise InvalidRequest(f"invalid {word}: {text}") from None


def settings_of(network: Mode, endpoints: Mapping[str, EndpointSettings | None]) -> dict[str, EndpointSettings]:
    """Network → settings of a container that is to be created: the network of its mode first, then the others by name.

    Raises InvalidRequest.
    """
    if not network.network:
        return {}
    found: dict[str, EndpointSettings] = {}
    for name, settings in endpoints.items():
        if settings is None:
            raise InvalidRequest(f"no EndpointSettings for {name}")
        check(settings)
        found[network.network if name == "default" else name] = settings
    first = found.pop(network.network, EndpointSettings())
    return {network.network: first, **dict(sorted(found.items()))}
