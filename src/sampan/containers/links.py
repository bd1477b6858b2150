"""What does --link give a container?

On the default network, as before there were others: a line in /etc/hosts and a set of environment variables for each
link, taken when the container starts. On a user's network a link is one more name in the container's own eyes, which
the resolver knows (`networks/dns_zone.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from msgspec import structs

from sampan.containers import ports
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.errors import Conflict, InvalidRequest

BRIDGE = "bridge"
Port = tuple[int, str]

NOT_PASSED_ON = ("HOME", "PATH", "HOSTNAME", "TERM")


def parse(text: str) -> tuple[str, str]:
    """`NAME`, `NAME:ALIAS` or `/NAME:/PARENT/ALIAS` as (name, alias). Raises InvalidRequest."""
    name, colon, alias = text.partition(":")
    if not name or (colon and not alias) or ":" in alias:
        raise InvalidRequest(f"bad format for links: {text}")
    name = name.removeprefix("/")
    return name, (alias.rpartition("/")[2] if colon else name)


def _linked(engine: Engine, container: Container) -> Iterator[tuple[Container, str, str]]:
    """(container, alias, its address) of each link on the default network. Raises Conflict, NotFound."""
    if BRIDGE not in container.networks:
        return
    settings = container.networks[BRIDGE]
    for text in (*(container.host.links or ()), *(settings.links or ())):
        reference, alias = parse(text)
        child = engine.rows.find(reference)
        endpoint = engine.networks.endpoints(child.id).get(BRIDGE)
        if not child.state.is_running or endpoint is None:
            raise Conflict(f"Cannot link to a non running container: /{child.name} AS /{container.name}/{alias}")
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
    result += _ranges(prefix, exposed, address)
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


def _ranges(prefix: str, exposed: Sequence[Port], address: str) -> Iterable[str]:
    """Runs of neighbouring ports."""
    at = 0
    while at < len(exposed):
        end = at
        while end + 1 < len(exposed) and exposed[end + 1] == (exposed[end][0] + 1, exposed[at][1]):
            end += 1
        if end > at:
            (first, protocol), last = exposed[at], exposed[end][0]
            name = f"{prefix}_PORT_{first}_{protocol.upper()}"
            yield f"{name}_START={protocol}://{address}:{first}"
            yield f"{name}_PORT_START={first}"
            yield f"{name}_END={protocol}://{address}:{last}"
            yield f"{name}_PORT_END={last}"
        at = end + 1
