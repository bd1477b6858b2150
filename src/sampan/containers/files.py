"""What stands in the container's /etc/hosts, /etc/hostname and /etc/resolv.conf?

The engine writes the three into a directory of its own, which no container can reach, and the spec binds them: nothing
is ever written through a path inside an image. They are made anew at each start, as new inodes, since a container may
have kept the old ones open.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from sampan.containers.host import Options
from sampan.containers.model import Container
from sampan.errors import InvalidRequest
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


def write(
    directory: Path, container: Container, network: Mode, endpoints: Iterable[Endpoint], options: Options
) -> dict[str, str]:
    """Write the files into `directory`; returns target → source for the spec."""
    config, asked = container.config, container.host
    texts = {
        "resolv.conf": resolver(
            _host_file("/etc/resolv.conf"),
            servers=asked.dns or options.dns,
            search=asked.dns_search or options.dns_search,
            words=asked.dns_options or options.dns_opts,
        ),
        "hostname": f"{config.hostname}\n",
        "hosts": hosts(
            _host_file("/etc/hosts") if network.is_host else LOOPBACK,
            names=[name for name in (_full_name(config.hostname, config.domainname), config.hostname) if name],
            endpoints=endpoints,
            extra=asked.extra_hosts or (),
            gateway=options.host_gateway_ip,
        ),
    }
    for name, text in texts.items():
        _replace(directory / name, text)
    return {TARGETS[name]: str(directory / name) for name in texts}


def paths(directory: Path) -> dict[str, str]:
    """target → source of files that were written before; for a container that shares another's network."""
    return {target: str(directory / name) for name, target in TARGETS.items()}


def hosts(
    beginning: str, *, names: Sequence[str], endpoints: Iterable[Endpoint], extra: Iterable[str], gateway: str
) -> str:
    """/etc/hosts: the beginning, --add-host in the order given, then the container's own addresses (hosts(5))."""
    lines = [beginning if not beginning or beginning.endswith("\n") else beginning + "\n"]
    for entry in extra:
        name, _, address = entry.partition(":")
        if address == "host-gateway":
            if not gateway:
                raise InvalidRequest("unable to derive the IP value for host-gateway")
            address = gateway
        lines.append(f"{address.removeprefix('[').removesuffix(']')}\t{name}\n")
    for endpoint in endpoints:
        for address in (endpoint.ipv4_address, endpoint.ipv6_address):
            if address:
                lines.append(f"{address.partition('/')[0]}\t{' '.join(dict.fromkeys(names))}\n")
    return "".join(lines)


def resolver(hosts_own: str, *, servers: Sequence[str], search: Sequence[str], words: Sequence[str]) -> str:
    """/etc/resolv.conf: the host's, or what was asked for with the host's for the rest (resolv.conf(5))."""
    if not (servers or search or words):
        return hosts_own
    servers = servers or _values(hosts_own, "nameserver")
    search = search or [word for line in _values(hosts_own, "search")[-1:] for word in line.split()]
    words = words or [word for line in _values(hosts_own, "options") for word in line.split()]
    lines = [f"search {' '.join(search)}\n"] if search and list(search) != ["."] else []
    lines += [f"nameserver {server}\n" for server in servers]
    lines += [f"options {' '.join(words)}\n"] if words else []
    return "".join(lines)


def _values(text: str, keyword: str) -> list[str]:
    lines = (line.split(None, 1) for line in text.splitlines())
    return [words[1].strip() for words in lines if len(words) == 2 and words[0] == keyword]


def _full_name(hostname: str, domainname: str) -> str:
    return f"{hostname}.{domainname}" if domainname else ""


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
