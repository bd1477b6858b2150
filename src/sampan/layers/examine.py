"""Is a layer in the store still what it was when it came in?

Its tar is read once: hashed, parsed and indexed anew. The new index must be, byte for byte, the one in the store; then
the kernel is shown exactly what the tar holds.
"""

import os
from enum import Enum
from pathlib import Path

from sampan.layers.header import BadLayer
from sampan.layers.ingest import CREATE, INDEX_NAME, TAR_NAME, index_layer
from sampan.layers.stream import CHUNK_BYTES


class Condition(Enum):
    """What is found."""

    SOUND = "sound"
    MISSING = "missing"
    DAMAGED = "damaged"  # the tar
    INDEX_DAMAGED = "index damaged"  # the tar is sound


def examine(layer: Path, expected: str, *, workspace: int) -> Condition:
    """The condition of the layer in a directory, whose diff ID has the hex `expected`; `workspace` is an empty one."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    index = os.open(INDEX_NAME, CREATE, 0o600, dir_fd=workspace)
    try:
        with (layer / TAR_NAME).open("rb") as tar:
            written = index_layer(tar, nowhere, index)
        if written.digest.hex() != expected:
            return Condition.DAMAGED
        return Condition.SOUND if _is_same(index, layer / INDEX_NAME) else Condition.INDEX_DAMAGED
    except FileNotFoundError:
        return Condition.MISSING
    except (BadLayer, OSError):
        return Condition.DAMAGED
    finally:
        os.close(index)
        os.close(nowhere)


def _is_same(index: int, path: Path) -> bool:
    try:
        with path.open("rb") as stored:
            position = 0
            while True:
                mine, theirs = os.pread(index, CHUNK_BYTES, position), stored.read(CHUNK_BYTES)
                if mine != theirs:
                    return False
                if not mine:
                    return True
                position += len(mine)
    except OSError:
        return False
