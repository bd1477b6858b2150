"""sampan ps: which containers are there?"""

from __future__ import annotations

import json

from sampan.cli.command import Call, Command
from sampan.cli.flags import FILTER, NUMBER, SWITCH, Flag
from sampan.cli.formats import FORMAT, ellipsis, filters_query, short_id, show
from sampan.cli.ports import displayed
from sampan.cli.template.evaluate import Row
from sampan.client.units import ago, decimal_size, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADERS = {
    "ID": "CONTAINER ID",
    "Names": "NAMES",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Ports": "PORTS",
    "State": "STATE",
    "Status": "STATUS",
    "Size": "SIZE",
    "Labels": "LABELS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
}
TABLE = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
COMMAND_WIDTH, MOUNT_WIDTH = 20, 15


def run(call: Call) -> int:
    """docker ps."""
    options = call.options
    template = options["format"]
    query = filters_query(options["filter"])
    if options["all"]:
        query["all"] = "1"
    limit = 1 if options["latest"] else options["last"]
    if limit > 0:
        query["limit"] = str(limit)
    if options["size"] or ".Size" in template or "json ." in template:
        query["size"] = "1"
    containers = call.engine.get("/containers/json", query)
    rows = (container_row(container, full=options["no-trunc"]) for container in containers)
    if options["quiet"] and template in ("", "table"):
        template = "{{.ID}}"
    show(call, rows, HEADERS, default=TABLE + "\t{{.Size}}" * options["size"], template=template)
    return 0


def container_row(container: dict[str, Any], *, full: bool) -> Row:
    """One container as docker's formatter shows it."""
    labels = container.get("Labels") or {}
    mounts = [mount.get("Name") or mount.get("Source") or "" for mount in container.get("Mounts") or ()]
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    platform = (container.get("ImageManifestDescriptor") or {}).get("platform")
    command = container["Command"] if full else ellipsis(container["Command"], COMMAND_WIDTH)
    return Row(
        {
            "ID": lambda: container["Id"] if full else short_id(container["Id"]),
            "Names": lambda: names(container.get("Names") or [], full=full),
            "Image": lambda: image_name(container, full=full),
            "Command": lambda: json.dumps(command, ensure_ascii=False),
            "CreatedAt": lambda: timestamp(container["Created"]),
            "RunningFor": lambda: ago(container["Created"]),
            "Ports": lambda: displayed(container.get("Ports") or []),
            "State": lambda: container["State"],
            "Status": lambda: container["Status"],
            "Size": lambda: sizes(container),
            "Labels": lambda: ",".join(f"{key}={labels[key]}" for key in sorted(labels)),
            "Mounts": lambda: ",".join(mounts if full else [ellipsis(mount, MOUNT_WIDTH) for mount in mounts]),
            "LocalVolumes": lambda: str(sum(mount.get("Driver") == "local" for mount in container.get("Mounts") or ())),
            "Networks": lambda: ",".join(sorted(networks)),
            "Platform": lambda: platform,
        },
        {"Label": lambda name: labels.get(name, "")},
    )


def names(given: list[str], *, full: bool) -> str:
    """Names without their slash; names that other containers' links gave only when asked for all."""
    plain = [name.removeprefix("/") for name in given]
    return ",".join(plain if full else [name for name in plain if "/" not in name][:1])


def image_name(container: dict[str, Any], *, full: bool) -> str:
    """The image as the user named it; short if that was an ID, and without the digest behind a tag."""
    image: str = container["Image"]
    if not image:
        return "<no image>"
    if full:
        return image
    if short_id(container.get("ImageID", "")) == short_id(image):
        return short_id(image)
    tagged, at, _ = image.partition("@")
    return tagged if at and ":" in tagged.rpartition("/")[2] else image


def sizes(container: dict[str, Any]) -> str:
    """`12kB (virtual 5MB)`: what the container wrote, and with its image."""
    own = decimal_size(container.get("SizeRw") or 0, 3)
    whole = container.get("SizeRootFs") or 0
    return f"{own} (virtual {decimal_size(whole, 3)})" if whole else own


COMMAND = Command(
    "[OPTIONS]",
    run,
    flags=(
        Flag("all", SWITCH, "Show all containers (default shows just running)", short="a"),
        Flag("filter", FILTER, "Filter output based on conditions provided", short="f"),
        FORMAT,
        Flag("last", NUMBER, "Show n last created containers (includes all states)", short="n", default=-1),
        Flag("latest", SWITCH, "Show the latest created container (includes all states)", short="l"),
        Flag("no-trunc", SWITCH, "Don't truncate output"),
        Flag("quiet", SWITCH, "Only display container IDs", short="q"),
        Flag("size", SWITCH, "Display total file sizes", short="s"),
    ),
)
