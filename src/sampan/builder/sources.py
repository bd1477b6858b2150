"""Where do `FROM`, `COPY --from` and `RUN --mount from=` lead: a stage, an image, a named context, the build
context?
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sampan.builder.build import Build, Position
from sampan.builder.cache import key_of
from sampan.builder.fetch import shown
from sampan.builder.layer import layer_bytes
from sampan.builder.place import Placement
from sampan.builder.select import Selected
from sampan.builder.state import PATH, State
from sampan.builder.tree import Tree
from sampan.errors import InvalidRequest, NotFound, NotSupported
from sampan.images.image import Image
from sampan.layers.stream import Pieces
from sampan.oci.digest import is_digest
from sampan.oci.platform import Platform, parse_platform, satisfies
from sampan.oci.reference import parse_reference
from sampan.registry.credentials import for_domain
from sampan.wire.patterns import Ignore

PULL_LINES_MAX = 500
IMAGE_CONTEXT = "docker-image://"


async def layers_of(build: Build, name: str, at: Position) -> Sequence[str]:
    """The layers of what a step reads from; "" is the build context. Raises NotFound, InvalidRequest."""
    if not name or name in build.named:
        return [await context_layer(build, name)]
    stages = build.stages
    index = stages.find(name) if stages is not None else None
    if stages is not None and index is not None and name not in build.request.contexts:
        if index == at.stage:
            raise InvalidRequest(f"circular dependency detected on stage: {at.stage_name}")
        return (await stages.result(index)).diff_ids
    if name == "scratch":
        return []
    return (await image_of(build, name, "")).diff_ids


async def context_layer(build: Build, name: str) -> str:
    """A context ("" is the main one) as a layer that the kernel can mount; made when a step first asks for it."""
    async with build.preparing:
        if name not in build.context_layers:
            build.context_layers[name] = await build.in_thread(partial(_ingest_context, build, name))
    return build.context_layers[name]


async def context_state(build: Build, name: str, platform: Platform) -> State:
    """A stage that begins with the files of a named context."""
    state = State(platform=platform, config={"WorkingDir": "/"}, env={"PATH": PATH}, mark="scratch")
    diff_id = await context_layer(build, name)
    told, key = f"FROM {name}", key_of("context", diff_id)
    hit = await build.in_thread(partial(build.find, key))
    if hit is None:
        hit = await build.in_thread(partial(build.note, key, diff_id, told))
        build.used_keys.append(key)
    state.add_layer(diff_id)
    state.note(told, created=build.moment(hit.created_ns), is_layer=True)
    return state


def _ingest_context(build: Build, name: str) -> str:
    kept = (build.named[name] if name else build.context) or build.workspace.keep_nothing()
    if len(kept.stack) == 1 and not kept.hidden:
        with kept.stack[0].tar_file.open("rb") as tar:
            return build.lease.ingest(tar)
    with kept.open() as tree, Tree([]) as nothing:
        whole = Placement(base=nothing)
        whole.copy(tree, Selected(b"", tree.root, b""), "/", Ignore([]), into=False, keep_owner=True)
        return build.lease.ingest(Pieces(layer_bytes(whole, otherwise_ns=0)))


async def image_of(build: Build, name: str, platform: str) -> Image:
    """The image of that name, asked for once in a build however many stages stand on it. Raises NotFound."""
    key = (name, platform)
    task = build.images.get(key)
    if task is None:
        task = asyncio.ensure_future(_image(build, name, platform))
        build.images[key] = task
    return await asyncio.shield(task)


async def _image(build: Build, name: str, platform: str) -> Image:
    named = build.request.contexts.get(name)
    if named is not None:
        if not named.startswith(IMAGE_CONTEXT):
            raise NotSupported(f"the named context {name}: {shown(named)} is no {IMAGE_CONTEXT}NAME and no directory")
        name = named.removeprefix(IMAGE_CONTEXT)
    wanted = parse_platform(platform) if platform else build.request.platform
    image = None if build.request.pull else await asyncio.to_thread(_local, build, name, wanted)
    if image is None:
        async with build.services.pulling:
            image = await _pulled(build, name, wanted)
        if wanted is not None and not satisfies(image.config.platform, wanted):
            raise NotFound(
                f"image with reference {name} was found but its platform ({image.config.platform}) "
                f"does not match the specified platform ({wanted})"
            )
    for diff_id in image.diff_ids:
        if not build.lease.keep_layer(diff_id):
            raise NotFound(f"No such image: {name}")
    return image


async def _pulled(build: Build, name: str, wanted: Platform | None) -> Image:
    """What was pulled; the name goes back to the image for this machine when another platform's was asked for."""
    before = await asyncio.to_thread(_local, build, name, build.platform)
    await _pull(build, name, wanted)
    image = await asyncio.to_thread(build.services.images.find, name)
    if before is not None and before.id != image.id and not satisfies(image.config.platform, build.platform):
        reference = parse_reference(name).with_default_tag() if not is_digest(name) else None
        if reference is not None and not reference.digest:
            await asyncio.to_thread(build.services.images.name, reference, before.id, before.tagged_ns)
    return image


async def _pull(build: Build, name: str, wanted: Platform | None) -> None:
    if build.services.pull is None or is_digest(name):
        return
    reference = parse_reference(name).with_default_tag()
    told: list[str] = []

    def hear(message: Mapping[str, Any]) -> None:
        if message.get("status") and not message.get("progressDetail") and len(told) < PULL_LINES_MAX:
            told.append(f"{message['id']}: {message['status']}" if message.get("id") else str(message["status"]))

    who = for_domain(build.request.credentials, reference.domain)
    await build.services.pull(str(reference), "", who, hear, platform=wanted)
    for line in told:
        await build.report.tell(line)


def _local(build: Build, name: str, wanted: Platform | None) -> Image | None:
    try:
        image = build.services.images.find(name)
    except NotFound:
        return None
    return image if wanted is None or satisfies(image.config.platform, wanted) else None
