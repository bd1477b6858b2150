"""What do the numbers of `/containers/{id}/stats` mean to a person? docker's arithmetic, to the letter."""

from __future__ import annotations

from sampan.cli.template.evaluate import Row
from sampan.client.units import binary_size, decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def cpu_percent(sample: dict[str, Any]) -> float:
    """Share of one processor between the two looks that a sample holds; 200.0 is two busy processors."""
    now, before = sample["cpu_stats"], sample["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    passed = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    count = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or ())
    return 100 * count * used / passed if used > 0 and passed > 0 else 0.0


def memory(sample: dict[str, Any]) -> int:
    """Bytes in use, without the page cache that can go at any time."""
    stats = sample["memory_stats"].get("stats") or {}
    usage: int = sample["memory_stats"].get("usage", 0)
    inactive = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    return usage - inactive if inactive < usage else usage


def memory_percent(sample: dict[str, Any]) -> float:
    """Share of the limit."""
    limit = sample["memory_stats"].get("limit", 0)
    return 100 * memory(sample) / limit if limit else 0.0


def network(sample: dict[str, Any]) -> tuple[int, int]:
    """Bytes received and sent over all interfaces."""
    interfaces = (sample.get("networks") or {}).values()
    return sum(each["rx_bytes"] for each in interfaces), sum(each["tx_bytes"] for each in interfaces)


def block(sample: dict[str, Any]) -> tuple[int, int]:
    """Bytes read and written on all block devices."""
    entries = sample["blkio_stats"].get("io_service_bytes_recursive") or ()
    read, written = (
        sum(entry["value"] for entry in entries if entry["op"][:1].lower() == letter) for letter in ("r", "w")
    )
    return read, written


def pressure(sample: dict[str, Any], resource: str) -> str:
    """Share of the last ten seconds in which somebody waited for `cpu`, `memory` or `io`; "" where nobody counts."""
    found = (sample.get("pressure") or {}).get(resource)
    return f"{found['some']['avg10']:.2f}%" if found else ""


def both(pair: tuple[int, int]) -> str:
    """`1.2kB / 0B`."""
    return " / ".join(decimal_size(each, 3) for each in pair)


def usage_row(asked_for: str, sample: dict[str, Any] | None, *, full: bool) -> Row:
    """One container as docker's formatter shows it; dashes when nothing is known."""
    known = sample or {}
    identifier = known.get("id", "")
    limit = known.get("memory_stats", {}).get("limit", 0)
    return Row(
        {
            "Container": lambda: asked_for,
            "Name": lambda: known["name"].removeprefix("/") if known else "--",
            "ID": lambda: (identifier if full else identifier[:12]) or "--",
            "CPUPerc": lambda: f"{cpu_percent(known):.2f}%" if known else "--",
            "MemUsage": lambda: f"{binary_size(memory(known))} / {binary_size(limit)}" if known else "-- / --",
            "MemPerc": lambda: f"{memory_percent(known):.2f}%" if known else "--",
            "NetIO": lambda: both(network(known)) if known else "--",
            "BlockIO": lambda: both(block(known)) if known else "--",
            "PIDs": lambda: str(known["pids_stats"].get("current", 0)) if known else "--",
        },
        {"Pressure": lambda resource: pressure(known, resource)},
    )
