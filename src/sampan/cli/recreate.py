"""How does a container get another environment, volumes or ports, which no engine can change in place?

A new one is made of the old one's settings and the new ones, and takes over its name, networks and volumes. The old one
is removed when the new one runs; when that fails it is put back as it was. Nothing is removed before: who is killed
halfway leaves both, under names that say so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sampan.cli.command import Call, Failure
from sampan.cli.commands.show_run import image_of
from sampan.cli.commands.update import FLAGS
from sampan.cli.create.body import container_create
from sampan.cli.create.flags import CREATE_FLAGS
from sampan.cli.flags import Options, parse
from sampan.cli.rebuild import Pair, flags, flat, program
from sampan.client.engine import Refused, named
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def recreate(call: Call, name: str) -> None:
    """Replace one container. Raises Failure or SampanError; then it is as it was."""
    engine = call.engine
    old = engine.get(named("containers", name, "json"))
    plain = old["Name"].removeprefix("/")
    if old["HostConfig"]["AutoRemove"]:
        raise Failure(f"{name} was started with --rm, so it would be gone before it could be replaced: run it anew")
    body = new_body(call, old)
    mark = secrets.token_hex(3)
    made = engine.post("/containers/create", {"name": f"{plain}.new-{mark}"}, body=body)["Id"]
    undo: list[Callable[[], object]] = [lambda: engine.delete(named("containers", made), {"force": "1"})]
    was_running = old["State"]["Running"]
    try:
        if was_running:
            undo.append(lambda: engine.post(named("containers", old["Id"], "start")))
            engine.post(named("containers", old["Id"], "stop"))
        undo.insert(1, lambda: engine.post(named("containers", old["Id"], "rename"), {"name": plain}))
        engine.post(named("containers", old["Id"], "rename"), {"name": f"{plain}.old-{mark}"})
        engine.post(named("containers", made, "rename"), {"name": plain})
        if was_running:
            engine.post(named("containers", made, "start"))
    except BaseException as error:
        put_back(undo)
        if isinstance(error, Refused):
            raise Failure(f"{name} is as it was: {error}") from None
        raise
    engine.delete(named("containers", old["Id"]))


def put_back(undo: list[Callable[[], object]]) -> None:
    """Undo what was done, as far as it was."""
    for step in undo:
        try:
            step()
        except SampanError:
            continue  # that step had not been taken


def new_body(call: Call, old: dict[str, Any]) -> dict[str, Any]:
    """The create request: the old settings with what the command line says laid over them."""
    image = image_of(call, old)
    info = call.engine.get("/info")
    pairs = [pair for pair in flags(old, image, info) if pair[0] != "--name"]
    options, _ = parse(CREATE_FLAGS, flat(with_volumes_by_name(pairs, old)))
    overlay(options, call.options)
    reference, *words = program(old, image)
    if options.given("entrypoint") and call.options.given("entrypoint"):
        words = list(old["Config"].get("Cmd") or ())
    try:
        is_the_same = call.engine.get(named("images", reference, "json"))["Id"] == old["Image"]
    except Refused:
        is_the_same = False
    # The name may mean another image by now, which nobody has asked for.
    body = container_create(options, reference if is_the_same else old["Image"], words)
    body.update(AttachStdin=False, AttachStdout=False, AttachStderr=False)
    return body


def with_volumes_by_name(pairs: list[Pair], old: dict[str, Any]) -> list[Pair]:
    """The flags with the old container's anonymous volumes by their names, so that the new one gets the same."""
    volumes = {m["Destination"]: m["Name"] for m in old.get("Mounts") or () if m["Type"] == "volume"}
    named_already = {target_of(value) for flag, value in pairs if flag in ("--volume", "--mount") and ":" in value}
    kept = [(flag, value) for flag, value in pairs if flag != "--volume" or ":" in value]
    mounted = {field for flag, value in pairs if flag == "--mount" for field in value.split(",")}
    for target, volume in volumes.items():
        if target not in named_already and f"target={target}" not in mounted:
            kept.append(("--volume", f"{volume}:{target}"))
    return kept


def overlay(options: Options, given: Options) -> None:
    """Lay what was given over the old settings: single values replace, lists grow; of one thing the new one counts."""
    for flag in FLAGS:
        if not given.given(flag.name):
            continue
        new = given[flag.name]
        if flag.kind.repeats and flag.name not in REPLACED:
            key = KEYS.get(flag.name, repr)
            taken = {key(value) for value in new}
            new = [value for value in options[flag.name] if key(value) not in taken] + new
        options.put(flag.name, new)


def target_of(volume: str) -> str:
    """Where a -v value is mounted."""
    parts = volume.split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def container_port(published: str) -> str:
    """`80/tcp` of `127.0.0.1:8080:80`."""
    port = published.rpartition(":")[2]
    return port if "/" in port else f"{port}/tcp"


REPLACED = frozenset(("network",))
KEYS: dict[str, Callable[[Any], str]] = {
    "env": lambda text: text.partition("=")[0],
    "label": lambda text: text.partition("=")[0],
    "annotation": lambda text: text.partition("=")[0],
    "sysctl": lambda text: text.partition("=")[0],
    "log-opt": lambda text: text.partition("=")[0],
    "volume": target_of,
    "tmpfs": lambda text: text.partition(":")[0],
    "publish": container_port,
    "add-host": lambda text: text.partition(":")[0],
    "mount": lambda mount: str(mount.get("Target")),
    "ulimit": lambda limit: str(limit["Name"]),
    "device": lambda text: text.split(":")[1] if ":" in text else text,
}
