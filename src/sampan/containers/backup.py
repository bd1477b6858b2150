"""How is a volume, or a container's own files, written into one tar, and a volume read back from it?"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from sampan.containers.engine import Engine
from sampan.containers.tree import opened, opened_volume
from sampan.layers.pack_tree import pack_tree
from sampan.layers.stream import Source
from sampan.unpacking.process import extract_confined
from sampan.volumes.store import Volumes

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@asynccontextmanager
async def export(engine: Engine, reference: str) -> AsyncIterator[Iterator[bytes]]:
    """A tar of the container's own files, without what is mounted into it; read it in threads while the block runs."""
    async with opened(engine, reference, bare=True) as tree:
        if tree.container is not None:
            engine.publish(tree.container, "export")
        top = os.open(".", OPEN_DIRECTORY, dir_fd=tree.root)
        try:
            yield pack_tree(top, with_top=False)
        finally:
            os.close(top)


@asynccontextmanager
async def export_volume(engine: Engine, name: str) -> AsyncIterator[Iterator[bytes]]:
    """A tar of the volume's files; of one with driver options, of what is mounted for it. Raises NotFound."""
    async with opened_volume(engine, name) as tree:
        top = os.open(".", OPEN_DIRECTORY, dir_fd=tree.root)
        try:
            yield pack_tree(top)
        finally:
            os.close(top)


def import_volume(volumes: Volumes, name: str, source: Source) -> None:
    """Make the tar's members the files of a volume that is new, or empty and held by nobody; all of them or none.

    Raises Conflict for another volume, BadLayer for what is no tar.
    """
    with volumes.staged(name) as data:
        extract_confined(source, data, "/")
    volumes.tell(name, "import", {})
