"""How do the published ports of a running container change?

Docker has no such thing: there a container is made anew. Here the row changes, and with it what is published; what
stays published is not interrupted. A container that does not run publishes the new ports from its next start on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from msgspec import structs

from sampan.containers import bindings, ports, verify
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.networks import mode as network_mode
from sampan.networks import sandbox as sandboxes
from sampan.wire.containers import PortBinding

Bindings = Mapping[str, list[PortBinding] | None]


async def publish(engine: Engine, reference: str, asked: Bindings) -> dict[str, Any]:
    """Publish more ports; where all of them are now. Raises NotFound, InvalidRequest, Conflict, `CannotPublish`."""
    return await _change(engine, reference, lambda now: _with(now, asked))


async def unpublish(engine: Engine, reference: str, asked: Bindings) -> dict[str, Any]:
    """Publish ports no longer: those of a container port, or only in the places that are named."""
    return await _change(engine, reference, lambda now: _without(now, asked))


async def _change(engine: Engine, reference: str, change: Any) -> dict[str, Any]:
    container_id = engine.rows.find(reference).id
    async with engine.lock(container_id):
        container = engine.current(container_id, reference)
        _check(engine, container)
        renewed: dict[str, list[PortBinding]] = change(_explicit(container))
        host = structs.replace(container.host, port_bindings=renewed or None, publish_all_ports=False)
        for port, places in renewed.items():
            verify.check_port(port)
            for place in places:
                if place.host_port:
                    verify.check_port(place.host_port)
        wanted = replace(container, host=host)
        published = ports.published(wanted.config, wanted.host)
        if container.state.is_running:
            sandbox = sandboxes.of_process(container.id, container.state.pid, name=container.name)
            await engine.networks.republish(sandbox, published)
        await engine.rows.save_durably(wanted)
        return dict(bindings.shown(wanted.config, engine.networks.endpoints(container.id).values()))


def _check(engine: Engine, container: Container) -> None:
    mode = network_mode.parse(container.host.network_mode, engine.networks.default)
    names = container.networks
    publishes = any(engine.networks.driver(engine.networks.find(name)).publishes for name in names)
    if mode.container or not publishes:
        raise Conflict(f"container {container.name} is on no network on which ports can be published")


def _explicit(container: Container) -> dict[str, list[PortBinding]]:
    """What is published now, port by port; what -P published among it, so that it may be taken away."""
    found: dict[str, list[PortBinding]] = {}
    for port in ports.published(container.config, container.host):
        last = f"-{port.host_port_end}" if port.host_port_end else ""
        place = PortBinding(host_ip=port.host_ip, host_port=f"{port.host_port or ''}{last}")
        found.setdefault(f"{port.container_port}/{port.protocol}", []).append(place)
    return found


def _each(asked: Bindings) -> Iterable[tuple[str, list[PortBinding]]]:
    if not asked:
        raise InvalidRequest("no ports are named")
    for text, places in asked.items():
        first, last, protocol = ports.parse(text)
        for number in range(first, last + 1):
            yield f"{number}/{protocol}", list(places or ())


def _with(now: dict[str, list[PortBinding]], asked: Bindings) -> dict[str, list[PortBinding]]:
    for port, places in _each(asked):
        have = now.setdefault(port, [])
        have += [place for place in places or [PortBinding()] if place not in have]
    return now


def _without(now: dict[str, list[PortBinding]], asked: Bindings) -> dict[str, list[PortBinding]]:
    for port, places in _each(asked):
        have = now.get(port, [])
        gone = [each for each in have if not places or any(_is_there(each, place) for place in places)]
        if not gone:
            raise NotFound(f"port {port} is not published")
        now[port] = [each for each in have if each not in gone]
        if not now[port]:
            del now[port]
    return now


def _is_there(have: PortBinding, named: PortBinding) -> bool:
    return named.host_ip in ("", have.host_ip) and named.host_port in ("", have.host_port)
