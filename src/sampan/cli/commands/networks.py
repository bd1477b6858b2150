"""sampan network ls: which networks are there?"""

from __future__ import annotations

from sampan.cli.command import Call, Command
from sampan.cli.flags import FILTER, SWITCH, Flag
from sampan.cli.formats import FORMAT, filters_query, short_id, show
from sampan.cli.template.evaluate import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}
TABLE = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}"


def run(call: Call) -> int:
    """docker network ls."""
    options = call.options
    networks = call.engine.get("/networks", filters_query(options["filter"]))
    rows = [
        network_row(network, full=options["no-trunc"])
        for network in sorted(networks, key=lambda each: str(each["Name"]))
    ]
    template = options["format"]
    if options["quiet"] and template in ("", "table"):
        template = "{{.ID}}"
    show(call, rows, HEADERS, default=TABLE, template=template)
    return 0


def network_row(network: dict[str, Any], *, full: bool) -> Row:
    """One network as docker's formatter shows it."""
    labels = network.get("Labels") or {}
    return Row(
        {
            "ID": lambda: network["Id"] if full else short_id(network["Id"]),
            "Name": lambda: network["Name"],
            "Driver": lambda: network["Driver"],
            "Scope": lambda: network["Scope"],
            "IPv4": lambda: str(bool(network.get("EnableIPv4"))).lower(),
            "IPv6": lambda: str(bool(network.get("EnableIPv6"))).lower(),
            "Internal": lambda: str(bool(network.get("Internal"))).lower(),
            "Labels": lambda: ",".join(f"{key}={labels[key]}" for key in sorted(labels)),
            "CreatedAt": lambda: spaced_time(network.get("Created", "")),
        },
        {"Label": lambda name: labels.get(name, "")},
    )


def spaced_time(text: str) -> str:
    """`2026-11-23T23:17:19.96Z` as Go prints a time: `2026-11-23 23:17:19.96 +0000 UTC`."""
    date, t, rest = text.partition("T")
    return f"{date} {rest.removesuffix('Z')} +0000 UTC" if t and rest.endswith("Z") else text


COMMAND = Command(
    "[OPTIONS]",
    run,
    flags=(
        Flag("filter", FILTER, 'Provide filter values (e.g. "driver=bridge")', short="f"),
        FORMAT,
        Flag("no-trunc", SWITCH, "Do not truncate the output"),
        Flag("quiet", SWITCH, "Only display network IDs", short="q"),
    ),
)
