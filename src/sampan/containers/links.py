"""What does --link give a container?

On the default network, as before there were others: a line in /etc/hosts and a set of environment variables for each
link, taken when the container starts. On a user's network a link is one more name in the container's own eyes, which
the resolver knows (`networks/dns_zone.py`).
"""

from collections.abc import Iterator
from dataclasses import replace

from msgspec import structs

from sampan.containers import ports
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.errors import Conflict, InvalidRequest, NotFound, SampanError
from sampan.networks.mode import Mode
from sampan.wire.containers import HostConfig

BRIDGE = "bridge"

NOT_PASSED_ON = ("HOME", "PATH", "HOSTNAME", "TERM")


def parse(text: str) -> tuple[str, str]:
    """`NAME`, `NAME:ALIAS` or `/NAME:/PARENT/ALIAS` as (name, alias). Raises InvalidRequest."""
    name, colon, alias = text.partition(":")
    # What is said here becomes a line of /etc/hosts, and may not become two.
    is_word = text.isprintable() and len(text.split()) == 1
    if not name or (colon and not alias) or ":" in alias or not is_word:
        raise InvalidRequest(f"bad format for links: {text}")
    name = name.removeprefix("/")
    return name, (alias.rpartition("/")[2] if colon else name)


def settled(engine: Engine, asked: HostConfig, network: Mode) -> HostConfig:
    """The host config with ids in place of names in its links, so that a rename does not matter later.

    Raises InvalidRequest, also for a container that is not there. Links on a user's network stay as they were said:
    there they may name what is to come.
    """
    if not asked.links:
        return asked
    if network.is_host:
        raise InvalidRequest(
            "conflicting options: host type networking can't be used with links. "
            "This would result in undefined behavior"
        )
    pairs = [parse(text) for text in asked.links]
    if network.network != BRIDGE:
        return asked
    found = []
    for reference, alias in pairs:
        try:
            found.append(f"{engine.rows.find(reference).id}:{alias}")
        except NotFound as error:
            raise InvalidRequest(f"could not get container for {reference}: {error}") from None
    return structs.replace(asked, links=found)


def children(engine: Engine, container: Container) -> Iterator[tuple[Container, str]]:
    """(container, alias) of each link on the default network to a container that is still there."""
    settings = container.networks.get(BRIDGE)
    if settings is None:
        return
    for text in (*(container.host.links or ()), *(settings.links or ())):
        reference, alias = parse(text)
        try:
            yield engine.rows.find(reference), alias
        except SampanError:
            continue  # it was removed, and the link with it


def shown(engine: Engine, container: Container) -> list[str] | None:
    """HostConfig.Links as inspect has it: `/CHILD:/PARENT/ALIAS`."""
    return [f"/{child.name}:/{container.name}/{alias}" for child, alias in children(engine, container)] or None


def names(engine: Engine) -> dict[str, list[str]]:
    """Container id → the names that links give it, `PARENT/ALIAS`."""
    found: dict[str, list[str]] = {}
    for parent in engine.rows.all():
        if parent.host.links:
            for child, alias in children(engine, parent):
                found.setdefault(child.id, []).append(f"/{parent.name}/{alias}")
    return found


async def remove(engine: Engine, reference: str) -> None:
    """`rm --link PARENT/ALIAS`. Raises NotFound, and Conflict for what is a container's own name."""
    parent_name, slash, alias = reference.removeprefix("/").partition("/")
    if not slash:
        engine.rows.find(reference)
        raise Conflict("Conflict, cannot remove the default link name of the container")
    try:
        parent_id = engine.rows.find(parent_name).id
    except NotFound:
        raise NotFound(f"No such container: {reference}") from None
    async with engine.lock(parent_id):
        parent = engine.current(parent_id, reference)
        kept = [text for text in parent.host.links or () if parse(text)[1] != alias]
        if len(kept) == len(parent.host.links or ()):
            raise NotFound(f"No such container: {reference}")
        await engine.rows.save_durably(replace(parent, host=structs.replace(parent.host, links=kept or None)))


def _linked(engine: Engine, container: Container) -> Iterator[tuple[Container, str, str]]:
    """(container, alias, its address) of each link on the default network. Raises Conflict."""
    for child, alias in children(engine, container):
        if not child.state.is_running:
            raise Conflict(f"Cannot link to a non running container: /{child.name} AS /{container.name}/{alias}")
        endpoint = engine.networks.endpoints(child.id).get(BRIDGE)
        if endpoint is None:
            raise Conflict(f"Cannot link to /{child.name}, as it does not belong to the default network")
        yield child, alias, endpoint.ipv4_address.partition("/")[0]


def hosts_lines(engine: Engine, container: Container) -> list[str]:
    """The lines of /etc/hosts for a container's links. Raises Conflict for a link to one that does not run."""
    lines = []
    for child, alias, address in _linked(engine, container):
        names = dict.fromkeys((alias, child.config.hostname, child.name))
        lines.append(f"{address}\t{' '.join(name for name in names if name)}\n")
    return lines


def with_variables(engine: Engine, container: Container) -> Container:
    """The container with its links' variables before its own. Raises Conflict for a link to one that does not run."""
    found = [
        variable
        for child, alias, address in _linked(engine, container)
        for variable in environment(container, child, alias, address)
    ]
    if not found:
        return container
    return replace(container, config=structs.replace(container.config, env=[*found, *(container.config.env or ())]))


def environment(parent: Container, child: Container, alias: str, address: str) -> list[str]:
    """The variables for one link, in dockerd's order: its ports, its name, and the child's own environment."""
    prefix = alias.replace("-", "_").upper()
    # TCP before others, then by number.
    found = ports.exposed(child.config, child.host.port_bindings or {})
    exposed = sorted(found, key=lambda port: (port[1] != "tcp", port[0]))
    result = []
    if exposed:
        number, protocol = exposed[0]
        result.append(f"{prefix}_PORT={protocol}://{address}:{number}")
    for number, protocol in exposed:
        name = f"{prefix}_PORT_{number}_{protocol.upper()}"
        result += [
            f"{name}={protocol}://{address}:{number}",
            f"{name}_ADDR={address}",
            f"{name}_PORT={number}",
            f"{name}_PROTO={protocol}",
        ]
    result.append(f"{prefix}_NAME=/{parent.name}/{alias}")
    for variable in child.config.env or ():
        key = variable.partition("=")[0]
        if key not in NOT_PASSED_ON:
            result.append(f"{prefix}_ENV_{variable}")
    return result
