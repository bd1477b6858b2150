"""What stands in a container's /etc/resolv.conf?

Three cases, as dockerd has them (resolv.conf(5)):

    the host's network      the host's file, changed only where something was asked for
    no user's network       the same without servers on the host's loopback, which the container could not reach
    a user's network        the resolver at 127.0.0.11, which asks those servers in the container's place

Pure but for `of_host`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from sampan.networks.dns_server import ADDRESS

FALLBACK = ("8.8.8.8", "8.8.4.4")  # dockerd's, where the host names no server that a container could reach
OF_HOST = "/etc/resolv.conf"
OF_RESOLVED = "/run/systemd/resolve/resolv.conf"
STUB = ["127.0.0.53"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """--dns, --dns-search and --dns-option, or the daemon's; empty to go by the host."""

    servers: Sequence[str] = ()
    search: Sequence[str] = ()
    words: Sequence[str] = ()


def of_host() -> str:
    """The host's file; of systemd-resolved, which the host asks on its loopback, the one that names the servers."""
    text = _read(OF_HOST)
    if nameservers(text) == STUB:
        return _read(OF_RESOLVED) or text
    return text


def on_host_network(host: str, asked: Asked) -> str:
    """The file of a container that shares the host's network."""
    return _render(host, asked) if asked.servers or asked.search or asked.words else host


def without_resolver(host: str, asked: Asked, *, ipv6: bool = False) -> str:
    """The file of a container that asks the servers itself; `ipv6`: it can reach servers by IPv6."""
    reachable = [each for each in nameservers(host) if _is_reachable(each, ipv6)]
    if not (asked.servers or asked.search or asked.words) and reachable and reachable == nameservers(host):
        return host
    return _render(host, Asked(servers=asked.servers or reachable or FALLBACK, search=asked.search, words=asked.words))


def with_resolver(host: str, asked: Asked) -> str:
    """The file of a container that has the embedded resolver."""
    words = list(asked.words or _options(host))
    if not has_ndots(words):
        words.append("ndots:0")  # a name without a dot is a neighbour's first
    return _render(host, Asked(servers=[ADDRESS], search=asked.search, words=words))


def has_ndots(words: Sequence[str]) -> bool:
    """Whether the options set `ndots`."""
    return any(word.startswith("ndots:") and word[6:].isdigit() for word in words)


def nameservers(text: str) -> list[str]:
    """The servers that a file names, addresses only."""
    return [value for value in _values(text, "nameserver") if _is_address(value)]


def _render(host: str, asked: Asked) -> str:
    servers = asked.servers or nameservers(host)
    search = asked.search or [word for line in _values(host, "search")[-1:] for word in line.split()]
    words = asked.words or _options(host)
    lines = [f"search {' '.join(search)}\n"] if search and list(search) != ["."] else []
    lines += [f"nameserver {server}\n" for server in servers]
    lines += [f"options {' '.join(words)}\n"] if words else []
    return "".join(lines)


def _options(text: str) -> list[str]:
    return [word for line in _values(text, "options") for word in line.split()]


def _values(text: str, keyword: str) -> list[str]:
    lines = (line.split(None, 1) for line in text.splitlines())
    return [words[1].strip() for words in lines if len(words) == 2 and words[0] == keyword]


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_reachable(text: str, ipv6: bool) -> bool:
    address = ip_address(text.partition("%")[0])
    return not address.is_loopback and (address.version == 4 or ipv6)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="surrogateescape")
    except OSError:
        return ""
