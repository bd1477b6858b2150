"""sampan container prune, image prune and system prune: remove what is not used."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import FILTER, SWITCH, Flag
from sampan.cli.formats import filters_query
from sampan.cli.values import BYTES
from sampan.client.engine import Refused
from sampan.client.units import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOT_IMPLEMENTED, NOT_FOUND = 501, 404


def confirmed(call: Call, warning: str) -> bool:
    """Ask, unless --force; no answer is no."""
    if call.options["force"]:
        return True
    call.out.write(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
    call.out.flush()
    return sys.stdin.readline().strip().lower() == "y"


def removed_containers(report: dict[str, Any]) -> list[str]:
    """The lines under "Deleted Containers"."""
    deleted = report.get("ContainersDeleted") or []
    return ["Deleted Containers:", *deleted, ""] if deleted else []


def removed_images(report: dict[str, Any]) -> list[str]:
    """The lines under "Deleted Images"."""
    deleted = report.get("ImagesDeleted") or []
    lines = [f"{verb.lower()}: {what}" for entry in deleted for verb, what in entry.items() if what]
    return ["Deleted Images:", *lines, ""] if lines else []


def prune_containers(call: Call) -> int:
    """docker container prune."""
    if not confirmed(call, "This will remove all stopped containers."):
        return 0
    report = call.engine.post("/containers/prune", filters_query(call.options["filter"]))
    return finish(call, removed_containers(report), report["SpaceReclaimed"])


def prune_images(call: Call) -> int:
    """docker image prune [-a]."""
    everything = call.options["all"]
    kind = "all images without at least one container associated to them" if everything else "all dangling images"
    if not confirmed(call, f"This will remove {kind}."):
        return 0
    report = call.engine.post("/images/prune", image_filters(call))
    return finish(call, removed_images(report), report["SpaceReclaimed"])


def image_filters(call: Call) -> dict[str, str | list[str]]:
    """--filter values with `dangling` set by --all."""
    dangling = ("dangling", "false" if call.options["all"] else "true")
    return filters_query([*(each for each in call.options["filter"] if each[0] != "dangling"), dangling])


def prune_networks(call: Call) -> int:
    """docker network prune."""
    if not confirmed(call, "This will remove all custom networks not used by at least one container."):
        return 0
    report = call.engine.post("/networks/prune", filters_query(call.options["filter"]))
    for line in listed("Networks", report.get("NetworksDeleted")):
        call.out.line(line)
    return 0


def prune_system(call: Call) -> int:
    """docker system prune: containers, networks, images, and build cache where the engine has one."""
    if call.options["volumes"] and any(name == "until" for name, _ in call.options["filter"]):
        raise Failure('ERROR: The "until" filter is not supported with "--volumes"')
    images = (
        "all images without at least one container associated to them" if call.options["all"] else "all dangling images"
    )
    kinds = ["all stopped containers", "all networks not used by at least one container"]
    kinds += ["all anonymous volumes not used by at least one container"] * bool(call.options["volumes"])
    kinds += [images, "all build cache" if call.options["all"] else "unused build cache"]
    if not confirmed(call, "This will remove:\n" + "\n".join(f"  - {kind}" for kind in kinds) + "\n"):
        return 0
    query = filters_query([each for each in call.options["filter"] if each[0] != "dangling"])
    lines: list[str] = []
    space = 0
    steps: list[tuple[str, dict[str, str | list[str]], Callable[[dict[str, Any]], list[str]]]] = [
        ("/containers/prune", query, removed_containers),
        ("/networks/prune", query, lambda report: listed("Networks", report.get("NetworksDeleted"))),
        ("/images/prune", image_filters(call), removed_images),
        ("/build/prune", {**query, **({"all": "1"} if call.options["all"] else {})}, removed_caches),
    ]
    if call.options["volumes"]:
        steps.insert(2, ("/volumes/prune", query, lambda report: listed("Volumes", report.get("VolumesDeleted"))))
    for path, parameters, describe in steps:
        report = prune_if_there(call, path, parameters)
        lines += describe(report)
        space += report.get("SpaceReclaimed") or 0
    return finish(call, lines, space)


def prune_if_there(call: Call, path: str, query: dict[str, str | list[str]]) -> dict[str, Any]:
    """The engine's report; empty for a kind of thing that the engine does not have."""
    try:
        return call.engine.post(path, query) or {}
    except Refused as refused:
        if refused.status in (NOT_IMPLEMENTED, NOT_FOUND):
            return {}
        raise


def listed(kind: str, deleted: list[str] | None) -> list[str]:
    """`Deleted KIND:` and what was deleted."""
    return [f"Deleted {kind}:", *deleted, ""] if deleted else []


def removed_caches(report: dict[str, Any]) -> list[str]:
    """The lines under "Deleted build cache objects"."""
    return listed("build cache objects", report.get("CachesDeleted"))


def prune_builder(call: Call) -> int:
    """docker builder prune [-a]."""
    everything = call.options["all"]
    warning = "This will remove all build cache." if everything else "This will remove all dangling build cache."
    if not confirmed(call, warning):
        return 0
    query = filters_query(call.options["filter"])
    if everything:
        query["all"] = "1"
    if call.options["keep-storage"]:
        query["keep-storage"] = str(call.options["keep-storage"])
    report = call.engine.post("/build/prune", query)
    return finish(call, removed_caches(report), report["SpaceReclaimed"])


def finish(call: Call, lines: list[str], space: int) -> int:
    """Print what went and how much room that made."""
    for line in lines:
        call.out.line(line)
    call.out.line(f"Total reclaimed space: {decimal_size(space)}")
    return 0


FORCE = Flag("force", SWITCH, "Do not prompt for confirmation", short="f")
FILTERS = Flag("filter", FILTER, 'Provide filter values (e.g. "until=<timestamp>")')
CONTAINERS = Command("[OPTIONS]", prune_containers, flags=(FORCE, FILTERS))
IMAGES = Command(
    "[OPTIONS]",
    prune_images,
    flags=(FORCE, FILTERS, Flag("all", SWITCH, "Remove all unused images, not just dangling ones", short="a")),
)
NETWORKS = Command("[OPTIONS]", prune_networks, flags=(FORCE, FILTERS))
BUILDER = Command(
    "[OPTIONS]",
    prune_builder,
    flags=(
        FORCE,
        FILTERS,
        Flag("all", SWITCH, "Remove all unused build cache, not just dangling ones", short="a"),
        Flag("keep-storage", BYTES, "Amount of disk space to keep for cache"),
    ),
)
SYSTEM = Command(
    "[OPTIONS]",
    prune_system,
    flags=(
        FORCE,
        FILTERS,
        Flag("all", SWITCH, "Remove all unused images not just dangling ones", short="a"),
        Flag("volumes", SWITCH, "Prune anonymous volumes"),
    ),
)
