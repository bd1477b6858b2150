"""How does a container become an image?

Its changes become a layer on its image (`images/commit.py`), its settings the new image's defaults. Meanwhile it is
frozen, if the user lets us, so that the layer is one moment's; its lock is held, so that nobody takes the tree away.
The freeze is in no row: a daemon that starts again thaws every container that should run.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, Status
from sampan.containers.model import Container
from sampan.errors import InvalidRequest
from sampan.images.changes import apply_changes
from sampan.images.commit import Step
from sampan.images.image import Image
from sampan.images.merge import merge
from sampan.oci.reference import Reference
from sampan.wire.bodies import to_dict
from sampan.wire.containers import ContainerConfig

MakeImage = Callable[[str, Path | None, Step, Reference | None], Image]
"""`images.images.Images.commit`: parent's ID, changes, what to say, name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a commit asks for; `config` in place of the container's own settings, if it is given."""

    reference: Reference | None = None
    author: str = ""
    comment: str = ""
    changes: Sequence[str] = ()
    config: ContainerConfig | None = None
    pause: bool = True


async def commit(engine: Engine, name: str, wish: Wish, make_image: MakeImage) -> str:
    """Make an image of a container; its ID. Raises NotFound, InvalidRequest; then there is no image."""
    if not name:
        raise InvalidRequest('invalid name or ID supplied: ""')
    container_id = engine.rows.find(name).id
    async with engine.lock(container_id):
        container = engine.current(container_id, name)
        step = Step(
            config=_config(container, wish),
            created_by=" ".join(container.config.cmd or ()),
            author=wish.author,
            comment=wish.comment,
            created_ns=time.time_ns(),
        )
        upper = engine.snapshots.upper(container_id) if engine.snapshots.exists(container_id) else None
        async with _frozen(engine, container, wish.pause):
            image = await asyncio.to_thread(make_image, container.image_id, upper, step, wish.reference)
            named = wish.reference.with_default_tag().familiar if wish.reference else ""
            engine.publish(container, "commit", {"comment": wish.comment, "imageID": image.id, "imageRef": named})
    return image.id


def _config(container: Container, wish: Wish) -> dict[str, Any]:
    own = to_dict(container.config)
    asked = own if wish.config is None else to_dict(wish.config)
    return merge(apply_changes(asked, wish.changes) if wish.changes else asked, own)


@asynccontextmanager
async def _frozen(engine: Engine, container: Container, wanted: bool) -> AsyncIterator[None]:
    process = engine.processes.get(container.id)
    if not wanted or process is None or container.state.status is not Status.RUNNING:
        yield
        return
    was_frozen = False
    try:
        was_frozen = await process.pause()  # not if it has ended and nobody was told yet: then nothing moves anyway
        if was_frozen:
            engine.publish(container, Act.PAUSE.value)
        yield
    finally:
        await process.resume()
        if was_frozen:
            engine.publish(container, Act.UNPAUSE.value)
