"""sampan volume create, rm, prune, update, rename and clone: make volumes, remove them, and what docker has not."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.commands.prune import FORCE, confirmed, finish, listed
from sampan.cli.each import for_each
from sampan.cli.flags import FILTER, LIST, SWITCH, TEXT, Flag
from sampan.cli.formats import filters_query
from sampan.cli.values import as_map
from sampan.client.engine import named


def create(call: Call) -> int:
    """docker volume create."""
    options = call.options
    opts = as_map(options["opt"])
    body = {
        "Name": call.arguments[0] if call.arguments else "",
        "Driver": options["driver"],
        "DriverOpts": opts or None,
        "Labels": as_map(options["label"]) or None,
    }
    call.out.line(call.engine.post("/volumes/create", body=body)["Name"])
    return 0


def remove(call: Call) -> int:
    """docker volume rm."""
    query: dict[str, str | list[str]] = {"force": "1"} if call.options["force"] else {}
    return for_each(call, call.arguments, lambda name: call.engine.delete(named("volumes", name), query))


def prune(call: Call) -> int:
    """docker volume prune [-a]."""
    filters = list(call.options["filter"])
    kind = "anonymous local volumes"
    if call.options["all"]:
        if any(name == "all" for name, _ in filters):
            raise Failure("conflicting options: cannot specify both --all and --filter all=1")
        filters.append(("all", "true"))
        kind = "all local volumes"
    if not confirmed(call, f"This will remove {kind} not used by at least one container."):
        return 0
    report = call.engine.post("/volumes/prune", filters_query(filters))
    return finish(call, listed("Volumes", report.get("VolumesDeleted")), report["SpaceReclaimed"])


def update(call: Call) -> int:
    """docker volume update: only a cluster's volumes have anything to change, and the engine says so."""
    call.engine.send("PUT", named("volumes", call.arguments[0]), {"version": "0"}, body={}).read()
    return 0


def rename(call: Call) -> int:
    """sampan volume rename OLD NEW."""
    old, new = call.arguments
    call.engine.post(named("volumes", old, "rename"), {"name": new})
    return 0


def clone(call: Call) -> int:
    """sampan volume clone SOURCE NEW."""
    source, new = call.arguments
    call.out.line(call.engine.post(named("volumes", source, "clone"), {"name": new})["Name"])
    return 0


CREATE = Command(
    "[OPTIONS] [VOLUME]",
    create,
    most=1,
    flags=(
        Flag("driver", TEXT, "Specify volume driver name", short="d", default="local"),
        Flag("label", LIST, "Set metadata for a volume"),
        Flag("opt", LIST, "Set driver specific options (type, device, o)", short="o"),
    ),
)
REMOVE = Command(
    "[OPTIONS] VOLUME [VOLUME...]",
    remove,
    least=1,
    most=ANY,
    flags=(Flag("force", SWITCH, "Force the removal of one or more volumes", short="f"),),
)
PRUNE = Command(
    "[OPTIONS]",
    prune,
    flags=(
        FORCE,
        Flag("filter", FILTER, 'Provide filter values (e.g. "label=<label>")'),
        Flag("all", SWITCH, "Remove all unused volumes, not just anonymous ones", short="a"),
    ),
)
UPDATE = Command("VOLUME", update, least=1, most=1)
RENAME = Command(
    "OLD NEW", rename, least=2, most=2, details="The volume must not be in use by a container, running or not."
)
CLONE = Command("SOURCE NEW", clone, least=2, most=2, details="Owner, mode, times and attributes are copied along.")
