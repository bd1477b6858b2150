"""How do the layers and the writable tree become one filesystem, and whose are its files?

overlayfs by descriptors (fsconfig(2)); for who has users of its own, through id-mapped clones (mount_setattr(2)).
"""

import errno
import os
from contextlib import ExitStack

from sampan.linux.fsmount import (
    MountAttr,
    OpenTree,
    fsconfig_create,
    fsconfig_fd,
    fsconfig_string,
    fsmount,
    fsopen,
    mount_setattr,
    open_tree,
)
from sampan.oci.mount import Mount
from sampan.runtime.idmap import Maps, user_namespace_of
from sampan.runtime.status import StartFailed

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000


def make_overlay(overlay: Mount, uid_maps: Maps = (), gid_maps: Maps = ()) -> int:
    """A detached overlay mount; its descriptor.

    With maps, its files belong to whom the maps say. They stay as they are on disk: the layers and the writable tree
    are seen through id-mapped clones of their mounts (mount_setattr(2)).
    """
    fs = fsopen("overlay")
    with ExitStack() as temporary:
        temporary.callback(os.close, fs)
        mapped = None
        if uid_maps:
            # overlayfs works in its directories as who mounts it, root out here, so root must be somebody there, too.
            both = ([*maps, (_end(maps), 0, 1)] for maps in (uid_maps, gid_maps))
            mapped = _Mapped(temporary.enter_context(user_namespace_of(*both)), temporary)
        for option in overlay.options:
            key, _, value = option.partition("=")
            try:
                if mapped and key == "lowerdir+":
                    fsconfig_fd(fs, key, mapped.tree(value))
                elif mapped and key in ("upperdir", "workdir"):
                    fsconfig_fd(fs, key, mapped.directory(value))
                else:
                    fsconfig_string(fs, key, value)
            except OSError as error:
                if key == "lowerdir+" and error.errno == errno.EINVAL:
                    raise StartFailed(
                        "this kernel's overlayfs takes no lowerdir+ option: sampan needs Linux 6.5"
                    ) from None
                raise
        fsconfig_create(fs)
        return fsmount(fs, MountAttr(0))


def _end(maps: Maps) -> int:
    return max(inside + count for inside, _, count in maps)


class _Mapped:
    """Directories seen through id-mapped mounts; upper and work directory through the same one, as overlayfs wants."""

    def __init__(self, namespace: int, scope: ExitStack) -> None:
        self._namespace = namespace
        self._scope = scope
        self._trees: dict[str, int] = {}

    def tree(self, path: str) -> int:
        """A descriptor of an id-mapped clone of what is at `path`, a mount or a directory."""
        if path not in self._trees:
            tree = open_tree(AT_FDCWD, path, OpenTree.CLONE | OpenTree.CLOEXEC)
            self._scope.callback(os.close, tree)
            mount_setattr(tree, "", AT_EMPTY_PATH, set=int(MountAttr.IDMAP), userns_fd=self._namespace)
            self._trees[path] = tree
        return self._trees[path]

    def directory(self, path: str) -> int:
        """A descriptor of the directory at `path`, in a clone of its parent."""
        parent, _, name = path.rpartition("/")
        found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.tree(parent or "/"))
        self._scope.callback(os.close, found)
        return found
