"""sampan manifest: one name for images of several platforms."""

from __future__ import annotations

import json

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.flags import LIST, SWITCH, TEXT, Flag
from sampan.cli.manifests.lists import ListStore
from sampan.cli.manifests.remote import entry, fetch, member
from sampan.client.credentials import header
from sampan.client.engine import named
from sampan.oci.descriptor import Descriptor
from sampan.oci.manifest import render_docker_index
from sampan.oci.reference import Reference, parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def inspect(call: Call) -> int:
    """docker manifest inspect [LIST] MANIFEST."""
    lists = ListStore(call.config_directory)
    name = _name(call.arguments[-1])
    verbose = call.options["verbose"]
    if len(call.arguments) == 2:
        list_name = str(_name(call.arguments[0]))
        found = _member(lists, list_name, str(name))
        call.out.line(_shown(found if verbose else json.loads(_raw(found))))
        return 0
    members = lists.members(str(name))
    if members:
        call.out.line(_shown(members) if verbose else _list_document(members))
        return 0
    data = fetch(call, name)
    document = json.loads(data)
    if not verbose:
        call.out.line(data.decode() if "manifests" in document else _shown(document))
    elif "manifests" in document:
        call.out.line(_shown([_of_list(call, name, each) for each in document["manifests"]]))
    else:
        call.out.line(_shown(member(call, name)))
    return 0


def create(call: Call) -> int:
    """docker manifest create LIST MANIFEST…."""
    lists = ListStore(call.config_directory)
    target = str(_name(call.arguments[0]))
    if lists.members(target) and not call.options["amend"]:
        raise Failure(f"refusing to amend an existing manifest list with no --amend flag: {target}")
    members = [member(call, _name(each)) for each in call.arguments[1:]]
    for each in members:
        lists.save(target, each)
    call.out.line(f"Created manifest list {target}")
    return 0


def annotate(call: Call) -> int:
    """docker manifest annotate LIST MANIFEST."""
    lists = ListStore(call.config_directory)
    target, name = str(_name(call.arguments[0])), str(_name(call.arguments[1]))
    found = _member(lists, target, name)
    platform = found["Descriptor"].setdefault("platform", {})
    for flag, key in (("os", "os"), ("arch", "architecture"), ("variant", "variant"), ("os-version", "os.version")):
        if call.options[flag]:
            platform[key] = call.options[flag]
    if call.options["os-features"]:
        features = [each for text in call.options["os-features"] for each in text.split(",")]
        platform["os.features"] = sorted({*platform.get("os.features", []), *features})
    if not platform.get("os") or not platform.get("architecture"):
        raise Failure(f"manifest entry for image has unsupported os/arch combination: {platform}")
    lists.save(target, found)
    return 0


def push(call: Call) -> int:
    """docker manifest push LIST."""
    lists = ListStore(call.config_directory)
    target = _name(call.arguments[0])
    members = lists.members(str(target))
    if not members:
        raise Failure(f"No such manifest: {target}")
    body = {"manifests": [_entry(each) for each in members]}
    fields = {"X-Registry-Auth": header(call.config_directory, target.domain)}
    answer = call.engine.send("POST", named("distribution", str(target), "manifest"), body=body, fields=fields).read()
    for each in members:
        digest = each["Descriptor"]["digest"]
        call.out.line(f"Pushed ref {target.name}@{digest} with digest: {digest}")
    call.out.line(str(json.loads(answer)["digest"]))
    if call.options["purge"]:
        lists.remove(str(target))
    return 0


def remove(call: Call) -> int:
    """docker manifest rm LIST…."""
    lists = ListStore(call.config_directory)
    names = [str(_name(each)) for each in call.arguments]
    missing = [name for name in names if not lists.remove(name)]
    if missing:
        raise Failure("\n".join(f"No such manifest: {name}" for name in missing))
    return 0


def _name(text: str) -> Reference:
    return parse_reference(text).with_default_tag()


def _member(lists: ListStore, target: str, name: str) -> dict[str, Any]:
    for each in lists.members(target):
        if each["Ref"] == name:
            return each
    if not lists.members(target):
        raise Failure(f"No such manifest: {target}")
    raise Failure(f"manifest for image {name} does not exist in {target}")


def _raw(found: dict[str, Any]) -> bytes:
    import base64

    return base64.b64decode(found["Raw"])


def _entry(found: dict[str, Any]) -> dict[str, Any]:
    """One image of a list as the engine is told."""
    platform = found["Descriptor"].get("platform") or {}
    return {
        "reference": found["Ref"],
        "digest": found["Descriptor"]["digest"],
        "os": platform.get("os", ""),
        "architecture": platform.get("architecture", ""),
        "variant": platform.get("variant", ""),
        "os_version": platform.get("os.version", ""),
        "os_features": platform.get("os.features") or [],
    }


def _of_list(call: Call, name: Reference, descriptor: dict[str, Any]) -> dict[str, Any]:
    """One image of a list that a registry has."""
    reference = Reference(name.domain, name.path, "", descriptor["digest"])
    known = {key: value for key, value in descriptor.items() if key in ("mediaType", "digest", "size")}
    return entry(str(reference), fetch(call, reference), known, descriptor.get("platform") or {})


def _list_document(members: list[dict[str, Any]]) -> str:
    entries = []
    for each in members:
        described = each["Descriptor"]
        descriptor = Descriptor(described["mediaType"], described["digest"], described["size"])
        entries.append((descriptor, described.get("platform") or {}))
    return render_docker_index(entries).decode()


def _shown(value: object) -> str:
    return json.dumps(value, indent="\t", ensure_ascii=False)


INSECURE = Flag("insecure", SWITCH, "Accepted: the engine knows which registries are insecure")
INSPECT = Command(
    "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    inspect,
    least=1,
    most=2,
    flags=(INSECURE, Flag("verbose", SWITCH, "Output additional info including layers and platform", short="v")),
)
CREATE = Command(
    "MANIFEST_LIST MANIFEST [MANIFEST...]",
    create,
    least=2,
    most=ANY,
    flags=(Flag("amend", SWITCH, "Amend an existing manifest list", short="a"), INSECURE),
)
ANNOTATE = Command(
    "[OPTIONS] MANIFEST_LIST MANIFEST",
    annotate,
    least=2,
    most=2,
    flags=(
        Flag("arch", TEXT, "Set architecture"),
        Flag("os", TEXT, "Set operating system"),
        Flag("os-features", LIST, "Set operating system feature"),
        Flag("os-version", TEXT, "Set operating system version"),
        Flag("variant", TEXT, "Set architecture variant"),
    ),
)
PUSH = Command(
    "[OPTIONS] MANIFEST_LIST",
    push,
    least=1,
    most=1,
    flags=(INSECURE, Flag("purge", SWITCH, "Remove the local manifest list after push", short="p")),
)
RM = Command("MANIFEST_LIST [MANIFEST_LIST...]", remove, least=1, most=ANY)
