"""Which layers does this host have, and how are they mounted?

    layers/HEX/layer.tar     the exact uncompressed tar; its SHA-256 is HEX, the layer's diff ID
    layers/HEX/layer.erofs   the index that the kernel mounts with the tar as its device (backend "erofs", Linux ≥ 6.12)
    layers/HEX/fs/           the same tree unpacked (backend "directory")
    layers/HEX/unsettled     what is here need not be on the disk yet: the id of the boot that it was written in
    layers/tmp-…/            an ingest in progress, locked while it lives; swept when found unlocked

A layer is there or it is not: it appears by one rename, after its bytes are on disk, and goes by one. Who makes many
layers at a time may have them written without waiting for the disk and settle them all later: until then a power cut
takes them away, at the next start, as if they had never been.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sampan.errors import NotFound
from sampan.layers.compression import Budget
from sampan.layers.examine import Condition, examine
from sampan.layers.header import BadLayer
from sampan.layers.ingest import INDEX_NAME, TAR_NAME, write_layer
from sampan.layers.opaque import mark_opaque
from sampan.layers.probe import DIRECTORY, EROFS, probe_backend
from sampan.layers.stream import CHUNK_BYTES, Source
from sampan.layers.unpack import unpack
from sampan.layers.walk import IMPLIED_ROOT_NUMBER, IndexReader, files_bytes
from sampan.layers.whiteout import OPAQUE_XATTR
from sampan.linux.procfs import boot_id
from sampan.linux.remove_tree import remove_tree
from sampan.linux.syncfs import syncfs
from sampan.oci.mount import Mount

FS_NAME = "fs"
UNSETTLED = "unsettled"
TEMPORARY = "tmp-"
PRIVATE = 0o700
DIFF_ID = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A layer in the store: its diff ID and the bytes of its uncompressed tar."""

    diff_id: str
    size: int


@dataclass(frozen=True, slots=True)
class LayerRoot:
    """The root directory of a layer. `is_implied`: no member names it, and the attributes are a default."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    is_implied: bool
    is_opaque: bool


Unpacks = Callable[[int, int, int, str], None]


class Layers:
    """The layers below one data root.

    `on_removed` hears where a layer that was just removed may be mounted; whoever mounts sets it. Until it is unmounted
    its bytes stay on the disk. `unpacks` makes the files of a layer where EROFS cannot be mounted.
    """

    def __init__(self, root: Path, run_root: Path, *, backend: str | None = None, unpacks: Unpacks = unpack) -> None:
        root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self._root = root
        self._run_root = run_root
        self._unpacks = unpacks
        self._root_fd = os.open(root, OPEN_DIRECTORY)
        self._roots: dict[str, LayerRoot] = {}
        self.on_removed: Callable[[str], None] = lambda target: None
        self._sweep()
        self.backend = backend or probe_backend(root)
        if self.backend not in (EROFS, DIRECTORY):
            raise ValueError(f"unknown layer backend {self.backend!r}")

    def close(self) -> None:
        """Let go of the store's directory."""
        os.close(self._root_fd)

    def ingest(
        self,
        stream: Source,
        expected_diff_id: str | None = None,
        budget: Budget | None = None,
        *,
        durable: bool = True,
    ) -> LayerInfo:
        """Take in one layer, compressed or not. Raises BadLayer, also when it is not the one expected.

        When this returns the layer is durable, unless it was not asked to be: then it is as soon as `settle` returns.
        When it raises there is no trace of it. A layer that is there already is read and verified all the same.
        """
        with self._workspace() as (name, directory):
            written = write_layer(stream, dir_fd=directory, budget=budget, durable=durable)
            diff_id = "sha256:" + written.digest.hex()
            if expected_diff_id not in (None, diff_id):
                raise BadLayer(f"layer verification failed: expected diff ID {expected_diff_id}, got {diff_id}")
            if self.backend == DIRECTORY:
                _unpack(directory, self._unpacks)
            if not durable:
                _mark_unsettled(directory)
            self._publish(name, diff_id, durable=durable)
        return LayerInfo(diff_id, written.size)

    def settle(self, diff_ids: Iterable[str]) -> None:
        """Have these layers on the disk when this returns; NotFound."""
        settled = False
        for diff_id in diff_ids:
            directory = self._open(diff_id)
            try:
                if UNSETTLED in os.listdir(directory):
                    for name in (TAR_NAME, INDEX_NAME):
                        _sync(name, directory)
                    os.unlink(UNSETTLED, dir_fd=directory)
                    os.fsync(directory)
                    settled = True
            except FileNotFoundError:
                pass  # somebody else has settled it meanwhile
            finally:
                os.close(directory)
        if settled:
            os.fsync(self._root_fd)

    def has(self, diff_id: str) -> bool:
        """Whether the layer is in the store, whole."""
        return (self._root / _hex(diff_id)).is_dir()

    def info(self, diff_id: str) -> LayerInfo:
        """Size of a layer in the store; NotFound."""
        with self.open_tar(diff_id) as file:
            return LayerInfo(diff_id, os.fstat(file.fileno()).st_size)

    def files_bytes(self, diff_id: str) -> int:
        """The bytes of the layer's files, as docker counts an image's size; NotFound."""
        with open(self._open(diff_id, INDEX_NAME), "rb") as file:
            return files_bytes(file.fileno())

    def diff_ids(self) -> list[str]:
        """All layers in the store, sorted."""
        return sorted("sha256:" + name for name in os.listdir(self._root_fd) if DIFF_ID.fullmatch("sha256:" + name))

    def tar(self, diff_id: str) -> Path:
        """The file that holds the exact uncompressed tar; NotFound."""
        return self._find(diff_id) / TAR_NAME

    def index(self, diff_id: str) -> Path:
        """The file that holds the layer's index; NotFound."""
        return self._find(diff_id) / INDEX_NAME

    def open_tar(self, diff_id: str) -> BinaryIO:
        """That file, open for reading; NotFound."""
        return open(self._open(diff_id, TAR_NAME), "rb")

    def root_of(self, diff_id: str) -> LayerRoot:
        """The layer's root directory; NotFound."""
        known = self._roots.get(diff_id)
        if known is None:
            with open(self._open(diff_id, INDEX_NAME), "rb") as file:
                root = IndexReader(file.fileno()).inode()
            known = LayerRoot(
                stat.S_IMODE(root.mode),
                root.uid,
                root.gid,
                root.mtime_ns,
                root.number == IMPLIED_ROOT_NUMBER,
                OPAQUE_XATTR in root.xattrs,
            )
            self._roots[diff_id] = known
        return known

    def mount_of(self, diff_id: str) -> tuple[Mount | None, str]:
        """What must be mounted for the layer to be seen, if anything, and the directory where it is then; NotFound."""
        layer = self._find(diff_id)
        if self.backend == DIRECTORY:
            self._require_unpacked(layer)
            return None, str(layer / FS_NAME)
        target = str(self._run_root / "layers" / layer.name)
        return Mount(target, str(layer / INDEX_NAME), EROFS, ("ro", f"device={layer / TAR_NAME}")), target

    def verify(self, diff_id: str) -> bool:
        """Whether the stored bytes still have the digest that names them; NotFound."""
        digest = hashlib.sha256()
        with self.open_tar(diff_id) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest() == _hex(diff_id)

    def examine(self, diff_id: str) -> Condition:
        """Whether tar and index are both what they should be."""
        with self._workspace() as (_, directory):
            return examine(self._root / _hex(diff_id), _hex(diff_id), workspace=directory)

    @contextmanager
    def aside(self, diff_id: str) -> Iterator[None]:
        """Put a damaged layer aside for another copy to come in; it is back at the end unless one did."""
        name = TEMPORARY + secrets.token_hex(8)
        held = None
        try:
            os.rename(_hex(diff_id), name, src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
            held = os.open(name, OPEN_DIRECTORY, dir_fd=self._root_fd)
            fcntl.flock(held, fcntl.LOCK_EX)
        except FileNotFoundError:
            pass
        try:
            yield
        finally:
            if held is not None:
                if self.has(diff_id):
                    self._roots.pop(diff_id, None)
                    self.on_removed(str(self._run_root / "layers" / _hex(diff_id)))
                    remove_tree(name, dir_fd=self._root_fd)
                else:
                    os.rename(name, _hex(diff_id), src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
                os.close(held)

    def replace(self, diff_id: str, stream: Source) -> None:
        """Bring in another copy of a layer that is damaged or missing. Raises BadLayer; then nothing has changed."""
        with self.aside(diff_id):
            self.ingest(stream, diff_id)

    def remove(self, diff_id: str) -> None:
        """Remove a layer; it may be gone already. What has it mounted keeps working until unmounted."""
        doomed = TEMPORARY + secrets.token_hex(8)
        try:
            os.rename(_hex(diff_id), doomed, src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
        except FileNotFoundError:
            return
        self._roots.pop(diff_id, None)
        self.on_removed(str(self._run_root / "layers" / _hex(diff_id)))
        os.fsync(self._root_fd)
        remove_tree(doomed, dir_fd=self._root_fd)

    def _find(self, diff_id: str) -> Path:
        layer = self._root / _hex(diff_id)
        if not layer.is_dir():
            raise NotFound(f"no such layer: {diff_id}")
        return layer

    def _open(self, diff_id: str, name: str = "") -> int:
        """A file of a layer, or without a name its directory, open; NotFound, also when it goes away just now."""
        try:
            return os.open(f"{_hex(diff_id)}/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._root_fd)
        except FileNotFoundError:
            raise NotFound(f"no such layer: {diff_id}") from None

    @contextmanager
    def _workspace(self) -> Iterator[tuple[str, int]]:
        """A private directory, removed in the end unless it was renamed away."""
        name = TEMPORARY + secrets.token_hex(8)
        os.mkdir(name, PRIVATE, dir_fd=self._root_fd)
        directory = os.open(name, OPEN_DIRECTORY, dir_fd=self._root_fd)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)  # says that somebody is at work here; see _sweep
            yield name, directory
        finally:
            remove_tree(name, dir_fd=self._root_fd)
            os.close(directory)

    def _publish(self, name: str, diff_id: str, *, durable: bool) -> None:
        """Give a layer its name, unless there is one of that name; durable, if so asked, whosever it is."""
        while True:
            try:
                os.rename(name, _hex(diff_id), src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
                break
            except OSError as error:
                # A directory that is not empty cannot be replaced: the same layer, ingested before or at the same time.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if not durable and self.has(diff_id):
                return
            with suppress(NotFound):  # it was there a moment ago, and has been removed since: the name is free now
                return self.settle([diff_id])
        if durable:
            os.fsync(self._root_fd)

    def _require_unpacked(self, layer: Path) -> None:
        """Unpack a layer that was ingested while another backend was in use."""
        if (layer / FS_NAME).is_dir():
            return
        with self._workspace() as (_, directory):
            for name in (TAR_NAME, INDEX_NAME):
                os.link(f"{layer.name}/{name}", name, src_dir_fd=self._root_fd, dst_dir_fd=directory)
            _unpack(directory, self._unpacks)
            try:
                os.rename(FS_NAME, f"{layer.name}/{FS_NAME}", src_dir_fd=directory, dst_dir_fd=self._root_fd)
            except OSError:
                if not (layer / FS_NAME).is_dir():
                    raise

    def _sweep(self) -> None:
        """Remove what crashed ingests left. A directory whose lock is held belongs to one that is alive."""
        for name in os.listdir(self._root_fd):
            if not name.startswith(TEMPORARY):
                if _is_lost(self._root / name):
                    remove_tree(name, dir_fd=self._root_fd)
                continue
            try:
                directory = os.open(name, OPEN_DIRECTORY, dir_fd=self._root_fd)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(name, dir_fd=self._root_fd)
            except BlockingIOError:
                pass
            finally:
                os.close(directory)


def _hex(diff_id: str) -> str:
    """The directory name of a layer; a diff ID comes from an image, so it is checked before it becomes a path."""
    found = DIFF_ID.fullmatch(diff_id)
    if not found:
        raise BadLayer(f"invalid diff ID {diff_id!r}")
    return found[1]


def _mark_unsettled(directory: int) -> None:
    descriptor = os.open(UNSETTLED, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        os.write(descriptor, boot_id().encode())
    finally:
        os.close(descriptor)


def _is_lost(layer: Path) -> bool:
    """Whether a layer was never settled, and the machine was started anew since: nobody knows what is in it."""
    try:
        return (layer / UNSETTLED).read_text() != boot_id()
    except OSError:
        return False


def _sync(name: str, directory: int) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unpack(directory: int, unpacks: Unpacks) -> None:
    """Unpack the layer in a workspace into its `fs`, and that to disk."""
    index = os.open(INDEX_NAME, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        tar = os.open(TAR_NAME, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            unpacks(index, tar, directory, FS_NAME)
            mark_opaque(index, directory, FS_NAME)
        finally:
            os.close(tar)
    finally:
        os.close(index)
    syncfs(directory)
