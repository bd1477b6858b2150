"""sampan volume ls: which volumes are there?"""

from __future__ import annotations

from sampan.cli.command import Call, Command
from sampan.cli.flags import FILTER, SWITCH, Flag
from sampan.cli.formats import FORMAT, filters_query, show
from sampan.cli.template.evaluate import Row
from sampan.client.units import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {
    "Name": "VOLUME NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Size": "SIZE",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
    "Status": "STATUS",
}


def run(call: Call) -> int:
    """docker volume ls."""
    options = call.options
    volumes = call.engine.get("/volumes", filters_query(options["filter"])).get("Volumes") or []
    rows = [volume_row(volume) for volume in sorted(volumes, key=lambda each: str(each["Name"]))]
    template = options["format"]
    if options["quiet"] and template in ("", "table"):
        template = "{{.Name}}"
    show(call, rows, HEADERS, default="{{.Driver}}\t{{.Name}}", template=template)
    return 0


def volume_row(volume: dict[str, Any]) -> Row:
    """One volume as docker's formatter shows it."""
    labels = volume.get("Labels") or {}
    usage = volume.get("UsageData") or {}
    return Row(
        {
            "Name": lambda: volume["Name"],
            "Driver": lambda: volume["Driver"],
            "Scope": lambda: volume["Scope"],
            "Mountpoint": lambda: volume["Mountpoint"],
            "Labels": lambda: ",".join(f"{key}={labels[key]}" for key in sorted(labels)),
            "Links": lambda: str(usage["RefCount"]) if usage else "N/A",
            "Size": lambda: decimal_size(usage["Size"]) if usage else "N/A",
            "Availability": lambda: "N/A",
            "Group": lambda: "N/A",
            "Status": lambda: "N/A",
        },
        {"Label": lambda name: labels.get(name, "")},
    )


COMMAND = Command(
    "[OPTIONS]",
    run,
    flags=(
        Flag("cluster", SWITCH, "Display only cluster volumes", hidden=True),
        Flag("filter", FILTER, 'Provide filter values (e.g. "dangling=true")', short="f"),
        FORMAT,
        Flag("quiet", SWITCH, "Only display volume names", short="q"),
    ),
)
