"""How does a damaged image become whole again when only a registry has what it lacks?

By pulling it once more under its digest, with the damaged pieces put aside: a pull fetches what is not here, and
verifies it. When it fails, the damaged pieces are back where they were.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from sampan.errors import SampanError
from sampan.images.image import Image
from sampan.images.progress import Emit
from sampan.images.store import ImageStore
from sampan.images.verify import LAYER, Finding, verify
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference

Pull = Callable[[Reference, Emit], Awaitable[None]]


async def check(
    store: ImageStore, images: Sequence[Image], pull: Pull, emit: Emit, *, repair: bool
) -> AsyncIterator[Finding]:
    """What is found about everything that the images need; with `repair`, after all that could be done about it."""
    findings = iter(verify(store, images, repair=repair))
    broken: list[Finding] = []
    while finding := await asyncio.to_thread(next, findings, None):
        if finding.is_sound or not repair:
            yield finding
        else:
            broken.append(finding)
    by_id = {image.id: image for image in images}
    for image_id in dict.fromkeys(image_id for finding in broken for image_id in finding.images):
        lacking = [finding for finding in broken if image_id in finding.images]
        source = await _fetch(store, by_id[image_id], lacking, pull, emit) if lacking else ""
        for finding in lacking if source else ():
            broken.remove(finding)
            yield replace(finding, repaired=f"fetched again as {source}")
    for finding in broken:
        yield finding


async def _fetch(store: ImageStore, image: Image, lacking: Sequence[Finding], pull: Pull, emit: Emit) -> str:
    """Pull the image without the pieces that are broken; the name under which that went well, or ""."""
    for reference in image.references:
        if not reference.digest:
            continue
        undo = ExitStack()
        try:
            for finding in lacking:
                aside = store.layers.aside if finding.kind == LAYER else store.content.aside
                await asyncio.to_thread(undo.enter_context, aside(finding.digest))
            await pull(reference, emit)
            if await asyncio.to_thread(_are_here, store, lacking):
                return reference.familiar
        except SampanError as error:
            emit({"status": f"{reference.familiar} cannot be fetched: {error}"})
        finally:
            await asyncio.to_thread(undo.close)
    return ""


def _are_here(store: ImageStore, findings: Sequence[Finding]) -> bool:
    def is_here(digest: Digest, kind: str) -> bool:
        return store.layers.has(digest) if kind == LAYER else store.content.has(digest)

    return all(is_here(finding.digest, finding.kind) for finding in findings)
