"""How are a container's ports shown? `0.0.0.0:8080->80/tcp, 9000-9002/tcp`, neighbours joined."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def host(address: str) -> str:
    """An address before a port: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def displayed(ports: list[dict[str, Any]]) -> str:
    """The ports of a container list as one cell of a table."""
    ordered = sorted(
        ports, key=lambda port: (port["PrivatePort"], port.get("IP", ""), port.get("PublicPort", 0), port["Type"])
    )
    ranges: dict[tuple[str, str], list[list[int]]] = {}
    translated = []
    for port in ordered:
        private, public, address = port["PrivatePort"], port.get("PublicPort", 0), port.get("IP", "")
        if public and public != private:
            translated.append(f"{host(address)}:{public}->{private}/{port['Type']}")
            continue
        runs = ranges.setdefault((address if public else "", port["Type"]), [])
        if runs and runs[-1][1] in (private, private - 1):
            runs[-1][1] = private
        else:
            runs.append([private, private])
    shown = [
        (
            first,
            f"{host(address)}:{span(first, last)}->{span(first, last)}/{kind}"
            if address
            else f"{span(first, last)}/{kind}",
        )
        for (address, kind), runs in ranges.items()
        for first, last in runs
    ]
    return ", ".join([text for _, text in sorted(shown, key=lambda pair: pair[0])] + translated)


def span(first: int, last: int) -> str:
    """`80` or `80-90`."""
    return str(first) if first == last else f"{first}-{last}"
