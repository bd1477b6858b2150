"""sampan build: an image from a Dockerfile and a context."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from sampan.cli.building.agents import agents_of, speak_for
from sampan.cli.building.attested import attested
from sampan.cli.building.caches import cache_sources, cache_target, write_cache
from sampan.cli.building.inputs import arguments_of, contexts_of, pairs_of, secrets_of, size_of, ulimits_of
from sampan.cli.building.known import still_wanted
from sampan.cli.building.outputs import write_outputs
from sampan.cli.building.view import WAYS, View
from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import LIST, SWITCH, TEXT, Flag
from sampan.client.context import LARGE, Context
from sampan.client.engine import values
from sampan.client.units import decimal_size
from sampan.oci.reference import parse_reference

STDIN = 0
PIECE = 256 * 1024
TAR_MAGIC_AT, TAR_MAGIC = 257, b"ustar"
COMPRESSED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
LOOK_BYTES = 512
STDIN_DOCKERFILE = ".dockerfile.from.stdin"
REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")


def run(call: Call) -> int:
    """docker build [OPTIONS] PATH | URL | -."""
    options = call.options
    if options["progress"] not in WAYS:
        raise Failure(f"invalid progress {options['progress']!r}: it is one of {', '.join(WAYS)}")
    way = "quiet" if options["quiet"] else options["progress"]
    view = View(call.out, way, shutil.get_terminal_size().columns)
    query = query_of(call)
    query["events"] = "1" if view.wants_events else "0"
    query |= attested(call)  # before anything is built, as is what is wrong with an output
    cache = cache_target(call)
    if cache[1]:
        query["cacheto"] = cache[1]
    context, body = source_of(call, query)
    pairs_of(options["build-context"], "build-context")  # before anything is sent
    secrets, agents = secrets_of(options["secret"]), agents_of(options["ssh"])
    if secrets or agents:
        left = {"Secrets": secrets, **({"Agents": list(agents)} if agents else {})}
        query["inputs"] = call.engine.post("/build/inputs", body=left)["Id"]
    if agents:
        speak_for(agents, call.engine.beside(), str(query["inputs"]))
    if options["check"] or options["call"] == "check":
        return check(call, query, body)
    with ExitStack() as held:
        contexts = contexts_of(call, options["build-context"], held)
        if contexts:
            query["contexts"] = json.dumps(contexts)
        if context is not None:
            word, wanted = still_wanted(call.engine, context)
            if word:
                query["listed"], body = word, context.pieces(wanted)
        view.follow(values(call.engine.send("POST", "/build", query, data=body)))
    tell_of_large(call, context)
    digest = write_outputs(call, view)
    write_cache(call, cache)
    finish(call, view, digest)
    return 0


def query_of(call: Call) -> dict[str, str | list[str]]:
    """The flags as the API spells them."""
    options = call.options
    query: dict[str, str | list[str]] = {"version": "1", "rm": "1", "dockerfile": options["file"] or "Dockerfile"}
    for flag, parameter in (
        ("tag", "t"), ("target", "target"), ("platform", "platform"), ("network", "networkmode"),
        ("cgroup-parent", "cgroupparent"), ("add-host", "extrahosts"),
    ):  # fmt: skip
        if options[flag]:
            query[parameter] = options[flag]
    for flag, parameter in (("no-cache", "nocache"), ("pull", "pull"), ("squash", "squash")):
        if options[flag]:
            query[parameter] = "1"
    arguments = arguments_of(options["build-arg"])
    if cache_target(call)[0] == "inline":
        arguments["BUILDKIT_INLINE_CACHE"] = "1"
    for parameter, value in (
        ("buildargs", arguments),
        ("labels", pairs_of(options["label"], "label")),
        ("ulimits", ulimits_of(options["ulimit"])),
        ("cachefrom", cache_sources(call)),
        ("nocachefilter", [name for text in options["no-cache-filter"] for name in text.split(",")]),
        ("allow", options["allow"]),
    ):
        if value:
            query[parameter] = json.dumps(value)
    if options["shm-size"]:
        query["shmsize"] = str(size_of(options["shm-size"]))
    return query


def source_of(call: Call, query: dict[str, str | list[str]]) -> tuple[Context | None, Iterable[bytes]]:
    """Where the context comes from: a directory, standard input, or a URL that the engine reads."""
    source, dockerfile = call.arguments[0], call.options["file"]
    if source.startswith(REMOTE) or source.endswith(".git"):
        query["remote"] = source
        return None, ()
    if source == "-":
        return None, _from_stdin(query, dockerfile)
    if not os.path.isdir(source):
        raise Failure(f'unable to prepare context: path "{source}" not found')
    name = dockerfile or "Dockerfile"
    extra = b""
    if name == "-":
        extra, name = os.fdopen(os.dup(STDIN), "rb").read(), STDIN_DOCKERFILE
    elif dockerfile:
        name, extra = _place_of(source, dockerfile)
    elif not os.path.exists(os.path.join(source, name)):
        raise Failure(
            f"unable to evaluate symlinks in Dockerfile path: lstat {source}/{name}: no such file or directory"
        )
    context = Context(source, name)
    if extra:
        context.extra.append((name, extra))
    query["dockerfile"] = name
    return context, context.pieces()


def _place_of(source: str, dockerfile: str) -> tuple[str, bytes]:
    """The Dockerfile's name in the context, or its bytes when it lies outside."""
    root, path = os.path.realpath(source), os.path.realpath(dockerfile)
    if not os.path.exists(path) and os.path.exists(os.path.join(source, dockerfile)):
        path = os.path.realpath(os.path.join(source, dockerfile))  # as the classic client had it
    if path.startswith(root + "/"):
        return os.path.relpath(path, root), b""
    try:
        with open(path, "rb") as file:
            return STDIN_DOCKERFILE, file.read()
    except OSError as error:
        raise Failure(f"unable to prepare context: {dockerfile}: {(error.strerror or '').lower()}") from None


def _from_stdin(query: dict[str, str | list[str]], dockerfile: str) -> Iterable[bytes]:
    """A tar as the context, or a Dockerfile alone."""
    head = _read_exactly(LOOK_BYTES)
    is_tar = head.startswith(COMPRESSED) or head[TAR_MAGIC_AT:].startswith(TAR_MAGIC)
    if is_tar:
        return _rest(head)
    if dockerfile:
        raise Failure("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles")
    text = head + b"".join(_rest(b""))
    context = Context(os.devnull, STDIN_DOCKERFILE)
    context.extra.append((STDIN_DOCKERFILE, text))
    query["dockerfile"] = STDIN_DOCKERFILE
    return context.pieces()


def _read_exactly(size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(STDIN, size - len(data))):
        data += piece
    return data


def _rest(head: bytes) -> Iterator[bytes]:
    if head:
        yield head
    while piece := os.read(STDIN, PIECE):
        yield piece


def check(call: Call, query: dict[str, str | list[str]], body: Iterable[bytes]) -> int:
    """--check: warnings and no image."""
    query["check"] = "1"
    warnings = [
        value["aux"] for value in values(call.engine.send("POST", "/build", query, data=body)) if "aux" in value
    ]
    for each in warnings:
        call.out.line(f"WARNING: {each['Rule']} - {each['Url']}")
        call.out.line(each["Message"])
        call.out.line(each["Shown"] + "\n")
    if not warnings:
        call.out.line("Check complete, no warnings found.")
        return 0
    call.out.line(
        f"Check complete, {len(warnings)} {'warning has' if len(warnings) == 1 else 'warnings have'} been found!"
    )
    return 1


def tell_of_large(call: Call, context: Context | None) -> None:
    """A context that took long to send is mostly a mistake: say what is in it."""
    if context is None or context.total < LARGE or call.options["quiet"]:
        return
    named = ", ".join(f"{path} ({decimal_size(size)})" for path, size in context.largest())
    call.err.line(f"The context has {decimal_size(context.total)}. Its largest paths: {named}. See .dockerignore.")


def finish(call: Call, view: View, digest: str) -> None:
    """Say which image it is, to whoever wants to know; `digest` is that in a registry."""
    if call.options["quiet"]:
        call.out.line(view.image_id)
    elif view.way == "tty":
        names = "".join(f" {name}" for name in call.options["tag"])
        call.out.line(f"Built {view.image_id}{names}")
    for flag, content in (
        ("iidfile", view.image_id),
        ("metadata-file", json.dumps(metadata(call, view, digest), indent=2)),
    ):
        if call.options[flag]:
            with open(call.options[flag], "w", encoding="utf-8") as file:
                file.write(content)


def metadata(call: Call, view: View, digest: str) -> dict[str, str]:
    """What --metadata-file holds, as buildx has it: without a registry, an image's digest is its ID.

    Several platforms have one in a registry only.
    """
    found = {"containerimage.digest": digest} if digest else {}
    if len(view.images) < 2:
        found = {"containerimage.config.digest": view.image_id, "containerimage.digest": digest or view.image_id}
    if call.options["tag"]:
        found["image.name"] = ",".join(str(parse_reference(name).with_default_tag()) for name in call.options["tag"])
    return dict(sorted(found.items()))


COMMAND = Command(
    "[OPTIONS] PATH | URL | -",
    run,
    least=1,
    most=1,
    flags=(
        Flag("add-host", LIST, 'Add a custom host-to-IP mapping (format: "host:ip")'),
        Flag("allow", LIST, "Allow what a Dockerfile may not do by itself (network.host, security.insecure)"),
        Flag("attest", LIST, 'Attestation parameters (format: "type=provenance,mode=max")'),
        Flag("build-arg", LIST, "Set build-time variables"),
        Flag(
            "build-context",
            LIST,
            "Additional build contexts (name=PATH, URL, docker-image://IMAGE or oci-layout://PATH:TAG)",
        ),
        Flag("cache-from", LIST, "Images to consider as cache sources (also type=local,src=PATH)"),
        Flag("cache-to", LIST, "Where the cache goes (type=inline, type=registry,ref=NAME or type=local,dest=PATH)"),
        Flag("call", TEXT, 'Set method for evaluating build ("check")'),
        Flag("cgroup-parent", TEXT, 'Set the parent cgroup for the "RUN" instructions during build'),
        Flag("check", SWITCH, 'Shorthand for "--call=check"'),
        Flag("file", TEXT, 'Name of the Dockerfile (default: "PATH/Dockerfile")', short="f"),
        Flag("iidfile", TEXT, "Write the image ID to a file"),
        Flag("label", LIST, "Set metadata for an image"),
        Flag("metadata-file", TEXT, "Write build result metadata to a file"),
        Flag("network", TEXT, 'Set the networking mode for the "RUN" instructions during build'),
        Flag("no-cache", SWITCH, "Do not use cache when building the image"),
        Flag("no-cache-filter", LIST, "Do not cache specified stages"),
        Flag("load", SWITCH, "The image is in the engine anyway", hidden=True),
        Flag("output", LIST, 'Output destination (format: "type=local,dest=path")', short="o"),
        Flag("platform", LIST, "Set target platform for build (several: an index of images)"),
        Flag("progress", TEXT, 'Set type of progress output ("auto", "plain", "tty", "json")', default="auto"),
        Flag("provenance", TEXT, 'Shorthand for "--attest=type=provenance"'),
        Flag("pull", SWITCH, "Always attempt to pull all referenced images"),
        Flag("push", SWITCH, "Send the image to the registry of its name"),
        Flag("quiet", SWITCH, "Suppress the build output and print image ID on success", short="q"),
        Flag("sbom", TEXT, 'Shorthand for "--attest=type=sbom"'),
        Flag("secret", LIST, 'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")'),
        Flag("shm-size", TEXT, "Shared memory size for build containers"),
        Flag("ssh", LIST, 'SSH agent socket or keys to expose to the build (format: "default|<id>[=<socket>|<key>]")'),
        Flag("squash", SWITCH, "Squash newly built layers into a single new layer"),
        Flag("tag", LIST, 'Name and optionally a tag (format: "name:tag")', short="t"),
        Flag("target", TEXT, "Set the target build stage to build"),
        Flag("ulimit", LIST, "Ulimit options"),
        Flag("force-rm", SWITCH, "Always remove intermediate containers", hidden=True),
        Flag("rm", SWITCH, "Remove intermediate containers after a successful build", hidden=True),
    ),
)
