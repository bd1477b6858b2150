"""Can this kernel mount a layer where it lies?

Asked of the kernel itself, for no version number tells: a small index with its tar is made in the data root and a
superblock is made from the pair (fsopen(2) … FSCONFIG_CMD_CREATE). It is attached nowhere and gone at once.
"""

import io
import os
import secrets
from pathlib import Path

from sampan.layers.ingest import INDEX_NAME, TAR_NAME, write_layer
from sampan.linux.fsmount import fsconfig_create, fsconfig_flag, fsconfig_string, fsopen
from sampan.linux.remove_tree import remove_tree

EROFS = "erofs"
DIRECTORY = "directory"
END_OF_ARCHIVE = bytes(1024)


def probe_backend(root: Path) -> str:
    """The better backend that works with files in `root`: EROFS, else DIRECTORY."""
    parent = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    name = "tmp-probe-" + secrets.token_hex(4)
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            write_layer(io.BytesIO(END_OF_ARCHIVE), dir_fd=directory)
        finally:
            os.close(directory)
        return EROFS if _mounts(root / name) else DIRECTORY
    finally:
        remove_tree(name, dir_fd=parent)
        os.close(parent)


def _mounts(layer: Path) -> bool:
    try:
        context = fsopen("erofs")
    except OSError:
        return False  # no EROFS, no new mount API, or no privilege
    try:
        fsconfig_string(context, "source", str(layer / INDEX_NAME))
        fsconfig_string(context, "device", str(layer / TAR_NAME))
        fsconfig_flag(context, "ro")
        fsconfig_create(context)
    except OSError:
        return False
    finally:
        os.close(context)
    return True
