"""What is a container's root filesystem made of?

Its layers, read-only, one on top of the other, and a writable directory on top of them, joined by overlayfs
(Documentation/filesystems/overlayfs.rst):

    snapshots/KEY/upper    what the container changed; 0/0 devices and opaque marks are its deletions
    snapshots/KEY/work     overlayfs' own
    snapshots/.empty       the lower directory of a container that has no layers

    merged "/"  =  upper  over  layer N  over  …  over  layer 1

Nothing is mounted here: the answer is a `Rootfs`, the mounts to make. Every snapshot directory is 0700, so that no
unprivileged user of the host can reach a set-id file inside.
"""

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sampan.errors import InvalidRequest, NotFound
from sampan.linux.remove_tree import remove_tree
from sampan.linux.tree_size import tree_size
from sampan.oci.mount import Mount, Rootfs

LAYERS_MAX = 500  # OVL_MAX_STACK of the kernel
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
EMPTY = ".empty"
TEMPORARY = ".tmp-"
PRIVATE = 0o700
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# What the kernel would take from a layer's attributes, if it were let, and what the host's defaults might turn on: a
# directory shown from elsewhere, a file whose data is elsewhere, handles, inode numbers. Stated, never left to
# defaults.
FIXED_OPTIONS = ("redirect_dir=nofollow", "metacopy=off", "index=off", "xino=off")


class RootDirectory(Protocol):
    """The root directory of a layer."""

    @property
    def is_opaque(self) -> bool: ...


class LayerMounts(Protocol):
    """What a snapshot asks of the layers (see `layers.store.Layers`)."""

    def mount_of(self, diff_id: str) -> tuple[Mount | None, str]: ...
    def root_of(self, diff_id: str) -> RootDirectory: ...


class Overlay:
    """The writable trees below one data root."""

    def __init__(self, root: Path, layers: LayerMounts) -> None:
        root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self._root = root
        self._layers = layers
        self._root_fd = os.open(root, OPEN_DIRECTORY)
        self._sweep()
        (root / EMPTY).mkdir(mode=0o755, exist_ok=True)

    def close(self) -> None:
        """Let go of the snapshots' directory."""
        os.close(self._root_fd)

    def prepare(self, key: str, diff_ids: Sequence[str]) -> Rootfs:
        """Make an empty writable tree over the layers, bottom first; the one that is there, if the key is known.

        Nothing is forced to disk: until something durable is written into it, an empty tree can be made again.
        """
        self._check(key)
        rootfs = self._rootfs(key, diff_ids)
        if not self.exists(key):
            self._make(key)
        return rootfs

    def rootfs(self, key: str, diff_ids: Sequence[str]) -> Rootfs:
        """The mounts of a tree prepared earlier; NotFound."""
        self._check(key)
        if not self.exists(key):
            raise NotFound(f"no such snapshot: {key}")
        return self._rootfs(key, diff_ids)

    def view(self, diff_ids: Sequence[str]) -> Rootfs:
        """The mounts that show the layers by themselves, read-only."""
        shared, lower = self._lower(diff_ids)
        # One layer alone would need an upper directory (overlayfs.rst, "Multiple lower layers").
        options = (*lower, f"lowerdir+={self._root / EMPTY}", *FIXED_OPTIONS)
        return Rootfs(tuple(shared), Mount("", "overlay", "overlay", options))

    def exists(self, key: str) -> bool:
        """Whether the tree was prepared and not removed."""
        return bool(KEY.fullmatch(key)) and (self._root / key).is_dir()

    def keys(self) -> list[str]:
        """The keys of all trees, sorted."""
        return sorted(name for name in os.listdir(self._root_fd) if KEY.fullmatch(name))

    def upper(self, key: str) -> Path:
        """The directory of a tree's own changes; NotFound."""
        if not self.exists(key):
            raise NotFound(f"no such snapshot: {key}")
        return self._root / key / "upper"

    def usage(self, key: str) -> int:
        """Bytes in the files of a tree's own changes; NotFound."""
        return tree_size(self.upper(key))

    def remove(self, key: str) -> None:
        """Remove a tree; it may be gone already."""
        self._check(key)
        doomed = TEMPORARY + secrets.token_hex(8)
        try:
            os.rename(key, doomed, src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
        except FileNotFoundError:
            return
        remove_tree(doomed, dir_fd=self._root_fd)

    def _rootfs(self, key: str, diff_ids: Sequence[str]) -> Rootfs:
        shared, lower = self._lower(diff_ids)
        options = (
            *(lower or [f"lowerdir+={self._root / EMPTY}"]),
            f"upperdir={self._root / key / 'upper'}",
            f"workdir={self._root / key / 'work'}",
            *FIXED_OPTIONS,
        )
        return Rootfs(tuple(shared), Mount("", "overlay", "overlay", options))

    def _lower(self, diff_ids: Sequence[str]) -> tuple[list[Mount], list[str]]:
        shared: list[Mount] = []
        lower: list[str] = []
        for diff_id in self._visible(diff_ids):
            mount, directory = self._layers.mount_of(diff_id)
            if mount:
                shared.append(mount)
            lower.append(f"lowerdir+={directory}")
        return shared, lower

    def _visible(self, diff_ids: Sequence[str]) -> list[str]:
        """The layers that take part, top first.

        The same layer twice is ELOOP to overlayfs; the lower one adds nothing that the upper one does not. And
        overlayfs merges the roots of all layers whatever they say, so an opaque root ends the list here.
        """
        visible = []
        for diff_id in dict.fromkeys(reversed(diff_ids)):
            visible.append(diff_id)
            if self._layers.root_of(diff_id).is_opaque:
                break
        if len(visible) > LAYERS_MAX:
            raise InvalidRequest(f"an image of {len(visible)} layers: the kernel joins {LAYERS_MAX} at most")
        return visible

    def _make(self, key: str) -> None:
        name = TEMPORARY + secrets.token_hex(8)
        os.mkdir(name, PRIVATE, dir_fd=self._root_fd)
        try:
            for part in ("upper", "work"):
                os.mkdir(f"{name}/{part}", PRIVATE, dir_fd=self._root_fd)
            self._open_up(f"{name}/upper")
            os.rename(name, key, src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
        except OSError:
            remove_tree(name, dir_fd=self._root_fd)
            if not self.exists(key):  # else somebody made it meanwhile, which is as good
                raise

    def _open_up(self, upper: str) -> None:
        """overlayfs shows the upper root's own attributes as those of "/": root's and 0755, whatever the image says.

        dockerd does so, and images rely on it: a tar made of a temporary directory says 0700 of its root.
        """
        directory = os.open(upper, OPEN_DIRECTORY, dir_fd=self._root_fd)
        try:
            os.fchmod(directory, 0o755)  # mkdir(2) would have asked the umask
        finally:
            os.close(directory)

    def _check(self, key: str) -> None:
        if not KEY.fullmatch(key):
            raise InvalidRequest(f"invalid snapshot key {key!r}")

    def _sweep(self) -> None:
        """Remove what a crash left half made or half removed."""
        for name in os.listdir(self._root_fd):
            if name.startswith(TEMPORARY):
                remove_tree(name, dir_fd=self._root_fd)
