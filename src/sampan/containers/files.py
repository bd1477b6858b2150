"""What stands in the container's /etc/hosts, /etc/hostname and /etc/resolv.conf?

The engine writes the three into a directory of its own, which no container can reach, and the spec binds them: nothing
is ever written through a path inside an image. They are made anew at each start, as new inodes, since a container may
have kept the old ones open. While a container runs it may edit what it sees; so when it is put on a network or taken
off one, lines are added and removed, and the rest stays as it is.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sampan.containers import links, resolv_conf
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.containers.resolv_conf import Asked
from sampan.errors import InvalidRequest, NotFound
from sampan.networks.mode import Mode
from sampan.networks.model import Endpoint

TARGETS = {"resolv.conf": "/etc/resolv.conf", "hostname": "/etc/hostname", "hosts": "/etc/hosts"}
LOOPBACK = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "ff00::0\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n"
)
EDITED_BYTES = 1 << 20  # more than this nobody has in /etc/hosts, and a container must not make the engine read it


def write(engine: Engine, container: Container, network: Mode, endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """Write the files into the container's directory; returns target → source for the spec.

    Raises InvalidRequest, and Conflict for a link to a container that does not run.
    """
    directory = engine.directory(container.id)
    texts = {
        "resolv.conf": _resolver(engine, container, network, endpoints),
        "hostname": f"{container.config.hostname}\n",
        "hosts": hosts(
            _host_file("/etc/hosts") if network.is_host else LOOPBACK,
            names=_own_names(container),
            endpoints=endpoints,
            extra=container.host.extra_hosts or (),
            gateways=_gateways(engine),
            linked=links.hosts_lines(engine, container),
        ),
    }
    for name, text in texts.items():
        _replace(directory / name, text)
    return {TARGETS[name]: str(directory / name) for name in texts}


def paths(directory: Path) -> dict[str, str]:
    """target → source of files that were written before; for a container that shares another's network."""
    return {target: str(directory / name) for name, target in TARGETS.items()}


def joined(engine: Engine, container: Container, endpoint: Endpoint) -> None:
    """A running container has come to one more network: its address there is to be in its /etc/hosts."""
    lines = _own_lines(_own_names(container), [endpoint])
    _edit(
        engine.directory(container.id) / "hosts",
        lambda text: text + "".join(line for line in lines if line not in text.splitlines(keepends=True)),
    )


def left(engine: Engine, container: Container, endpoint: Endpoint) -> None:
    """A running container has been taken off a network: its address there goes from its /etc/hosts."""
    gone = set(_own_lines(_own_names(container), [endpoint]))
    kept = engine.directory(container.id) / "hosts"
    _edit(kept, lambda text: "".join(line for line in text.splitlines(keepends=True) if line not in gone))


def resolves_anew(engine: Engine, container: Container, network: Mode, before: str) -> None:
    """A running container has got a resolver: /etc/resolv.conf says so, unless it is no longer as it was `before`."""
    text = _resolver(engine, container, network, list(engine.networks.endpoints(container.id).values()))
    _edit(engine.directory(container.id) / "resolv.conf", lambda found: text if found == before else found)


def resolver(engine: Engine, container: Container, network: Mode) -> str:
    """What a running container's /etc/resolv.conf is by itself, without its edits."""
    return _resolver(engine, container, network, list(engine.networks.endpoints(container.id).values()))


def _resolver(engine: Engine, container: Container, network: Mode, endpoints: Iterable[Endpoint]) -> str:
    asked, options = container.host, engine.options
    wanted = Asked(
        servers=asked.dns or options.dns,
        search=asked.dns_search or options.dns_search,
        words=asked.dns_options or options.dns_opts,
    )
    if network.is_host:
        return resolv_conf.on_host_network(_host_file(resolv_conf.OF_HOST), wanted)
    if engine.resolvers.serves(container.id):
        return resolv_conf.with_resolver(resolv_conf.of_host(), wanted)
    ipv6 = any(endpoint.ipv6_address for endpoint in endpoints)
    return resolv_conf.without_resolver(resolv_conf.of_host(), wanted, ipv6=ipv6)


def _own_names(container: Container) -> list[str]:
    hostname, domainname = container.config.hostname, container.config.domainname
    full = f"{hostname}.{domainname}" if domainname else ""
    return [name for name in (full, hostname) if name]


def _gateways(engine: Engine) -> list[str]:
    """What `host-gateway` stands for: the host, as containers on the default network see it."""
    if engine.options.host_gateway_ip:
        return [engine.options.host_gateway_ip]
    try:
        return [pool.gateway for pool in engine.networks.find("bridge").pools if pool.gateway]
    except NotFound:
        return []


def hosts(
    beginning: str,
    *,
    names: Sequence[str],
    endpoints: Iterable[Endpoint],
    extra: Iterable[str],
    gateways: Sequence[str],
    linked: Iterable[str] = (),
) -> str:
    """/etc/hosts: the beginning, --add-host as given, links, then the container's own addresses (hosts(5))."""
    lines = [beginning if not beginning or beginning.endswith("\n") else beginning + "\n"]
    for entry in extra:
        name, _, address = entry.partition(":")
        addresses = list(gateways) if address == "host-gateway" else [address.removeprefix("[").removesuffix("]")]
        if not addresses:
            raise InvalidRequest("unable to derive the IP value for host-gateway")
        lines += [f"{each}\t{name}\n" for each in addresses]
    return "".join([*lines, *linked, *_own_lines(names, endpoints)])


def _own_lines(names: Sequence[str], endpoints: Iterable[Endpoint]) -> list[str]:
    addresses = [each for endpoint in endpoints for each in (endpoint.ipv4_address, endpoint.ipv6_address) if each]
    return [f"{address.partition('/')[0]}\t{' '.join(dict.fromkeys(names))}\n" for address in addresses]


def _host_file(path: str) -> str:
    try:
        return Path(path).read_text(errors="surrogateescape")
    except OSError:
        return ""


def _replace(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, text.encode(errors="surrogateescape"))
        os.fchmod(descriptor, 0o644)  # whatever the daemon's umask: every user of the container reads these
    finally:
        os.close(descriptor)


def _edit(path: Path, change: Callable[[str], str]) -> None:
    """Change a file that a container sees, in place: it is bound there by its inode. A file too long stays as it is."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if os.fstat(descriptor).st_size > EDITED_BYTES:
            return
        found = os.pread(descriptor, EDITED_BYTES, 0).decode(errors="surrogateescape")
        renewed = change(found)
        if renewed != found:
            data = renewed.encode(errors="surrogateescape")
            os.pwrite(descriptor, data, 0)
            os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
