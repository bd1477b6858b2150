"""What is at a path of a stage, an image or a context, without mounting it?

A stack of layers is read through its indexes, as overlayfs would show it: the topmost layer that has a name decides,
directories of several layers are one, whiteouts and opaque directories hide what is below. Links are resolved here,
with
the stack's own root as `/`: nothing of the host is ever looked at, so no name in a context or an image leads out of it
(security catalogue E05, E13).
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from sampan.errors import InvalidRequest
from sampan.layers.ingest import INDEX_NAME, TAR_NAME
from sampan.layers.tar import Kind
from sampan.layers.walk import ROOT_NID, IndexReader, Inode
from sampan.layers.whiteout import OPAQUE_XATTR

LINKS_MAX = 255
PIECE = 1 << 20
WINDOW = 1 << 16
KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFLNK: Kind.SYMLINK,
}


class Files(NamedTuple):
    """Where one layer is on the disk."""

    index_file: Path
    tar_file: Path

    @classmethod
    def of(cls, directory: Path) -> "Files":
        """The layer that a directory holds."""
        return cls(directory / INDEX_NAME, directory / TAR_NAME)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or directory. `parts`: (layer from the top, inode); several where directories of layers are one."""

    kind: Kind
    parts: tuple[tuple[int, Inode], ...]

    @property
    def inode(self) -> Inode:
        """What the topmost layer says of it."""
        return self.parts[0][1]

    @property
    def mode(self) -> int:
        """Permission bits."""
        return stat.S_IMODE(self.inode.mode)

    @property
    def is_directory(self) -> bool:
        """Whether it has children."""
        return self.kind is Kind.DIRECTORY

    @property
    def identity(self) -> tuple[int, int]:
        """The same for two names of one file."""
        return self.parts[0][0], self.inode.number


class _Layer:
    """One open layer."""

    def __init__(self, files: Files, undo: ExitStack) -> None:
        index = os.open(files.index_file, os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, index)
        self.tar = os.open(files.tar_file, os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, self.tar)
        self.reader = IndexReader(index)
        self._listed: dict[int, dict[bytes, int]] = {}
        self._window, self._window_at = b"", 0  # what was read last of the tar

    def names(self, directory: Inode) -> dict[bytes, int]:
        """name → nid of a directory of this layer."""
        known = self._listed.get(directory.number)
        if known is None:
            known = {name: nid for name, nid, _ in self.reader.children(directory)}
            self._listed[directory.number] = known
        return known

    def read(self, size: int, offset: int) -> bytes:
        """Bytes of the tar. Small files mostly lie there in the order in which they are asked for: many at a time."""
        begin = offset - self._window_at
        if not 0 <= begin <= begin + size <= len(self._window):
            if size > WINDOW:
                return os.pread(self.tar, size, offset)
            self._window, self._window_at, begin = os.pread(self.tar, WINDOW, offset), offset, 0
        return self._window[begin : begin + size]


class Tree:
    """A stack of layers, read as one tree; `layers` come bottom first. `hidden` paths, without links, are not there."""

    def __init__(self, layers: Sequence[Files], hidden: Iterable[bytes] = ()) -> None:
        self._hidden: set[tuple[int, int, bytes]] = set()
        self._undo = ExitStack()
        try:
            self._layers = [_Layer(files, self._undo) for files in reversed(layers)]
        except BaseException:
            self._undo.close()
            raise
        roots = ((number, layer.reader.inode(ROOT_NID)) for number, layer in enumerate(self._layers))
        self.root = self._merged(roots) or Entry(Kind.DIRECTORY, ())
        for path in hidden:
            parent = self.at(path.rpartition(b"/")[0])
            for number, inode in parent.parts if parent is not None else ():
                self._hidden.add((number, inode.number, path.rpartition(b"/")[2]))

    def __enter__(self) -> "Tree":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the layers' files."""
        self._undo.close()

    def child(self, directory: Entry, name: bytes) -> Entry | None:
        """The entry of that name in a directory."""
        return self._merged(
            (number, layer.reader.inode(nid))
            for number, inode in directory.parts
            if (nid := (layer := self._layers[number]).names(inode).get(name)) is not None
            and (number, inode.number, name) not in self._hidden
        )

    def at(self, path: bytes) -> Entry | None:
        """What is at a path in which no name is a link."""
        entry: Entry | None = self.root
        for part in path.split(b"/") if path else ():
            entry = self.child(entry, part) if entry is not None and entry.is_directory else None
        return entry

    def children(self, directory: Entry) -> Iterator[tuple[bytes, Entry]]:
        """All entries of a directory, in bytewise order of their names."""
        if len(directory.parts) == 1:  # all of a context: nothing to merge, and the index is in order
            yield from self._children_of(*directory.parts[0])
            return
        names: set[bytes] = set()
        for number, inode in directory.parts:
            names.update(self._layers[number].names(inode))
        for name in sorted(names):
            entry = self.child(directory, name)
            if entry is not None:
                yield name, entry

    def _children_of(self, number: int, directory: Inode) -> Iterator[tuple[bytes, Entry]]:
        layer = self._layers[number]
        for name, nid in layer.names(directory).items():
            inode = layer.reader.inode(nid)
            kind = KINDS[stat.S_IFMT(inode.mode)]
            is_whiteout = kind is Kind.CHARACTER and inode.device == (0, 0)
            if not is_whiteout and (number, directory.number, name) not in self._hidden:
                yield name, Entry(kind, ((number, inode),))

    def names(self, directory: Entry, topmost: int) -> set[bytes]:
        """The names that the topmost layers have in a directory, deletions among them."""
        found: set[bytes] = set()
        for number, inode in directory.parts:
            if number < topmost:
                found.update(self._layers[number].names(inode))
        return found

    def link_target(self, link: Entry) -> bytes:
        """Where a symbolic link points."""
        number, inode = link.parts[0]
        return self._layers[number].reader.link_target(inode)

    def data(self, file: Entry) -> Iterator[bytes]:
        """The bytes of a regular file, in pieces."""
        number, inode = file.parts[0]
        if not inode.size:
            return
        layer = self._layers[number]
        offset = layer.reader.data_offset(inode)
        end = offset + inode.size
        while offset < end:
            piece = layer.read(min(PIECE, end - offset), offset)
            if not piece:
                raise InvalidRequest("a file of the build is shorter than its index says")
            offset += len(piece)
            yield piece

    def read(self, path: bytes, limit: int) -> bytes | None:
        """The bytes of a small regular file; None if there is none at `path`. Raises InvalidRequest beyond `limit`."""
        _, entry = self.resolve(path)
        if entry is None or entry.kind is not Kind.FILE:
            return None
        if entry.inode.size > limit:
            raise InvalidRequest(f"{os.fsdecode(path)} is larger than {limit} bytes")
        return b"".join(self.data(entry))

    def resolve(self, path: bytes, *, follow_last: bool = True) -> tuple[bytes, Entry | None]:
        """The path that `path` really is, without links or dots, and what is there.

        What is missing has no links: the rest of the path is then taken as it is spelled. Raises InvalidRequest for
        links in circles.
        """
        done: list[bytes] = []
        held: list[Entry | None] = [self.root]
        pending = [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
        links = 0
        while pending:
            part = pending.pop()
            if part == b"..":
                if done:
                    done.pop()
                    held.pop()
                continue
            parent = held[-1]
            entry = self.child(parent, part) if parent is not None and parent.is_directory else None
            if entry is not None and entry.kind is Kind.SYMLINK and (pending or follow_last):
                links += 1
                if links > LINKS_MAX:
                    raise InvalidRequest(f"{os.fsdecode(path)}: too many levels of symbolic links")
                target = self.link_target(entry)
                if target.startswith(b"/"):
                    done, held = [], [self.root]
                pending += [step for step in reversed(target.split(b"/")) if step not in (b"", b".")]
                continue
            done.append(part)
            held.append(entry)
        return b"/".join(done), held[-1]

    def _merged(self, parts: "Iterator[tuple[int, Inode]]") -> Entry | None:
        """What overlayfs would show of these, topmost first."""
        found: list[tuple[int, Inode]] = []
        for number, inode in parts:
            kind = KINDS[stat.S_IFMT(inode.mode)]
            if kind is Kind.CHARACTER and inode.device == (0, 0):
                break
            if kind is not Kind.DIRECTORY:
                if not found:
                    return Entry(kind, ((number, inode),))
                break
            found.append((number, inode))
            if OPAQUE_XATTR in inode.xattrs:
                break
        return Entry(Kind.DIRECTORY, tuple(found)) if found else None
