"""Which ports do -p and --expose name?

`[address:][host[-host]:]container[-container][/protocol]`, or the long form `target=80,published=8080,protocol=udp`.
"""

from __future__ import annotations

from sampan.cli.command import Failure

PROTOCOLS = ("tcp", "udp", "sctp")


def wrong(text: str, why: str) -> Failure:
    """A port specification that cannot be read."""
    return Failure(f"invalid port specification {text!r}: {why}: write it as 8080:80, 127.0.0.1:8080:80/udp or 80", 125)


def port_range(text: str, whole: str) -> tuple[int, int]:
    """`80` or `80-90` as (first, last). Raises Failure."""
    first, dash, last = text.partition("-")
    last = last if dash else first
    if not first.isdigit() or not last.isdigit():
        raise wrong(whole, f"{text!r} is not a port")
    if not int(first) <= int(last) < 1 << 16:
        raise wrong(whole, f"{text!r} is above 65535, or goes backwards")
    return int(first), int(last)


def split_protocol(text: str, whole: str) -> tuple[str, str]:
    """`80/udp` as ("80", "udp"); tcp when it is not said. Raises Failure."""
    port, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash and protocol else "tcp"
    if protocol not in PROTOCOLS:
        raise wrong(whole, f"unknown protocol {protocol!r}")
    return port, protocol


def long_form(text: str) -> str:
    """`target=80,published=8080,protocol=udp` in the short form; other texts as they are. Raises Failure."""
    if "=" not in text:
        return text
    fields = {}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        if not equals or key not in ("target", "published", "protocol", "mode", "name", "app_protocol"):
            raise wrong(text, f"unknown field {field!r}")
        fields[key] = value
    if "target" not in fields:
        raise wrong(text, "target= is missing")
    published = f"{fields['published']}:" if "published" in fields else ""
    return f"{published}{fields['target']}/{fields.get('protocol', 'tcp')}"


def expand(text: str) -> list[tuple[str, dict[str, str]]]:
    """One -p value as (`80/tcp`, binding) pairs. Raises Failure."""
    short = long_form(text)
    head, _, container = short.rpartition(":")
    address, _, host = head.rpartition(":")
    container, protocol = split_protocol(container, text)
    if not container:
        raise wrong(text, "no container port")
    first, last = port_range(container, text)
    host_first, host_last = port_range(host, text) if host else (0, 0)
    count, host_count = last - first, host_last - host_first
    if host and count != host_count and count:
        raise wrong(text, "the two ranges differ in length")
    pairs = []
    for index in range(count + 1):
        if not host:
            host_port = ""
        elif count == host_count:
            host_port = str(host_first + index)
        else:
            host_port = host  # one container port, a range to choose from on the host
        pairs.append((f"{first + index}/{protocol}", {"HostIp": address.strip("[]"), "HostPort": host_port}))
    return pairs


def bindings(published: list[str]) -> dict[str, list[dict[str, str]]]:
    """PortBindings."""
    found: dict[str, list[dict[str, str]]] = {}
    for text in published:
        for port, binding in expand(text):
            found.setdefault(port, []).append(binding)
    return found


def exposed(expose: list[str], published: list[str]) -> dict[str, dict[str, str]]:
    """ExposedPorts: what is published is exposed as well."""
    found: dict[str, dict[str, str]] = {port: {} for text in published for port, _ in expand(text)}
    for text in expose:
        if ":" in text:
            raise Failure(f"invalid port format for --expose: {text}: to publish a port on the host, use -p", 125)
        port, protocol = split_protocol(text, text)
        first, last = port_range(port, text)
        found.update({f"{number}/{protocol}": {} for number in range(first, last + 1)})
    return found
