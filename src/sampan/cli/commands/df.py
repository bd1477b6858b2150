"""sampan system df: where does the disk space go?"""

from __future__ import annotations

from sampan.cli.command import Call, Command
from sampan.cli.commands import ps, volumes
from sampan.cli.commands.images import HEADERS as IMAGE_HEADERS
from sampan.cli.commands.images import TABLE as IMAGES
from sampan.cli.commands.images import image_row, named_as
from sampan.cli.flags import SWITCH, Flag
from sampan.cli.formats import FORMAT, inspect_template, show
from sampan.cli.template.evaluate import Row
from sampan.cli.template.functions import to_json
from sampan.client.units import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}
TABLE = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"


def run(call: Call) -> int:
    """docker system df [-v]."""
    usage = call.engine.get("/system/df")
    if call.options["verbose"]:
        if call.options["format"]:
            show_by_format(call, usage)
        else:
            show_details(call, usage)
        return 0
    rows = [images_row(usage), containers_row(usage), volumes_row(usage), cache_row(usage)]
    if "LogsSize" in usage and not call.options["format"]:
        rows.insert(2, logs_row(usage))
    show(call, rows, HEADERS, default=TABLE, template=call.options["format"])
    return 0


def summary(kind: str, total: int, active: int, size: int, reclaimable: int, *, share: bool = True) -> Row:
    """One line of the summary."""
    percent = f" ({100 * reclaimable // size}%)" if size > 0 and share else ""
    return Row(
        {
            "Type": lambda: kind,
            "TotalCount": lambda: str(total),
            "Active": lambda: str(active),
            "Size": lambda: decimal_size(size),
            "Reclaimable": lambda: decimal_size(reclaimable) + percent,
        }
    )


def images_row(usage: dict[str, Any]) -> Row:
    """What no container uses can go, except for layers that used images share."""
    images = usage.get("Images") or []
    used = [image for image in images if image.get("Containers", 0) > 0]
    kept = sum(image["Size"] - max(image.get("SharedSize", 0), 0) for image in used)
    size = usage.get("LayersSize") or 0
    return summary("Images", len(images), len(used), size, max(size - kept, 0))


def containers_row(usage: dict[str, Any]) -> Row:
    """What stopped containers wrote can go."""
    containers = usage.get("Containers") or []
    stopped = [each for each in containers if each["State"] not in ("running", "paused", "restarting")]
    size = sum(each.get("SizeRw") or 0 for each in containers)
    reclaimable = sum(each.get("SizeRw") or 0 for each in stopped)
    return summary("Containers", len(containers), len(containers) - len(stopped), size, reclaimable)


def logs_row(usage: dict[str, Any]) -> Row:
    """Logs go with their containers: nothing of them can go alone."""
    containers = usage.get("Containers") or []
    active = sum(each["State"] in ("running", "paused", "restarting") for each in containers)
    return summary("Container Logs", len(containers), active, usage["LogsSize"], 0)


def volumes_row(usage: dict[str, Any]) -> Row:
    """What no container mounts can go."""
    found = [volume.get("UsageData") or {"RefCount": 0, "Size": 0} for volume in usage.get("Volumes") or ()]
    size = sum(max(each["Size"], 0) for each in found)
    reclaimable = sum(max(each["Size"], 0) for each in found if not each["RefCount"])
    return summary("Local Volumes", len(found), sum(each["RefCount"] > 0 for each in found), size, reclaimable)


def cache_row(usage: dict[str, Any]) -> Row:
    """What no build uses can go."""
    records = usage.get("BuildCache") or []
    size = usage.get("BuilderSize") or sum(each["Size"] for each in records if not each.get("Shared"))
    reclaimable = sum(each["Size"] for each in records if not each["InUse"] and not each.get("Shared"))
    used = sum(bool(each["InUse"]) for each in records)
    return summary("Build Cache", len(records), used, size, reclaimable, share=False)


def show_by_format(call: Call, usage: dict[str, Any]) -> None:
    """docker system df -v --format: one object with a list for each kind of thing."""
    images = usage.get("Images") or []
    lists = {
        "Images": [image_row(image, *names, full=True) for image in images for names in named_as(image, False)],
        "Containers": [ps.container_row(each, full=True) for each in usage.get("Containers") or ()],
        "Volumes": [volumes.volume_row(each) for each in usage.get("Volumes") or ()],
    }
    everything = {kind: [row.as_json() for row in rows] for kind, rows in lists.items()}
    everything["BuildCache"] = usage.get("BuildCache") or []
    if call.options["format"] == "json":
        call.out.line(to_json(everything))
    else:
        call.out.line(inspect_template(call.options["format"]).render(everything))


def show_details(call: Call, usage: dict[str, Any]) -> None:
    """docker system df -v."""
    images = usage.get("Images") or []
    image_table = IMAGES + "\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}"
    image_rows = [image_row(image, *names, full=False) for image in images for names in named_as(image, False)]
    call.out.line("Images space usage:\n")
    show(call, image_rows, IMAGE_HEADERS, default=image_table, template="")
    call.out.line("\nContainers space usage:\n")
    container_table = (
        "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}"
    )
    container_rows = [ps.container_row(each, full=False) for each in usage.get("Containers") or ()]
    show(call, container_rows, ps.HEADERS, default=container_table, template="")
    call.out.line("\nLocal Volumes space usage:\n")
    volume_rows = [volumes.volume_row(each) for each in usage.get("Volumes") or ()]
    show(call, volume_rows, volumes.HEADERS, default="{{.Name}}\t{{.Links}}\t{{.Size}}", template="")
    call.out.line(f"\nBuild cache usage: {cache_row(usage).get('Size', [])}")


COMMAND = Command(
    "[OPTIONS]", run, flags=(FORMAT, Flag("verbose", SWITCH, "Show detailed information on space usage", short="v"))
)
