"""Which directories of an unpacked layer hide what is below them?

overlayfs takes trusted.overlay.opaque for that, which only CAP_SYS_ADMIN may set (xattr(7)). The process that makes
the files of a layer has no such right, so this is done afterwards, by who may: a walk through the index, and one fixed
attribute on directories that are opened without following a link.
"""

import os

from sampan.layers.unpack import BENEATH, DIRECTORY_TYPE, OPEN_DIRECTORY
from sampan.layers.walk import ROOT_NID, IndexReader
from sampan.layers.whiteout import OPAQUE_VALUE, OPAQUE_XATTR
from sampan.linux.openat2 import openat2


def mark_opaque(index: int, directory: int, name: str) -> None:
    """Mark the opaque directories of the layer that was unpacked into the subdirectory `name`."""
    reader = IndexReader(index)
    tree = os.open(name, OPEN_DIRECTORY, dir_fd=directory)
    todo = [(b".", ROOT_NID)]
    try:
        while todo:
            path, nid = todo.pop()
            inode = reader.inode(nid)
            if OPAQUE_XATTR in inode.xattrs:
                _mark(tree, path)
            todo += [(path + b"/" + child, at) for child, at, kind in reader.children(inode) if kind == DIRECTORY_TYPE]
    finally:
        os.close(tree)


def _mark(tree: int, path: bytes) -> None:
    opened = openat2(tree, os.fsdecode(path), OPEN_DIRECTORY, 0, BENEATH)
    try:
        os.setxattr(opened, OPAQUE_XATTR, OPAQUE_VALUE)
    finally:
        os.close(opened)
