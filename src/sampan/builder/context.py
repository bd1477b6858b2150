"""Where is what the client sent, while a build reads it?

A context comes as a tar. It is kept as that tar with an index beside it, like a layer: nothing is unpacked, so no name
in it can lead anywhere (security catalogue E12, E13), and the kernel can mount it where a RUN asks for it. Owners are
not the client's business: all is root's, as with docker.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sampan.builder.tree import Files, Tree
from sampan.errors import InvalidRequest
from sampan.layers.compression import Budget
from sampan.layers.ingest import write_layer
from sampan.layers.stream import Pieces, Source
from sampan.linux.remove_tree import remove_tree
from sampan.wire.patterns import Ignore, parse_ignore

IGNORE_NAME = ".dockerignore"
BYTES_MAX = 64 << 30
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Kept:
    """A tree that a build reads from: its tars, bottom first, their digest, and paths that are not shown."""

    stack: tuple[Files, ...]
    digest: str
    size: int
    hidden: frozenset[bytes] = frozenset()

    def open(self) -> Tree:
        """The tree, to be read."""
        return Tree(self.stack, self.hidden)


class Workspaces:
    """The directories of builds in progress; what a crash left is gone at the next start."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._root_fd = os.open(root, OPEN_DIRECTORY)
        for left in os.listdir(self._root_fd):
            remove_tree(left, dir_fd=self._root_fd)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._root_fd)

    def disk_bytes(self) -> int:
        """The size of the filesystem that builds are kept on."""
        found = os.fstatvfs(self._root_fd)
        return found.f_blocks * found.f_frsize

    @contextmanager
    def workspace(self) -> "Iterator[Workspace]":
        """A directory for one build, removed with all that is in it."""
        name = secrets.token_hex(16)
        os.mkdir(name, 0o700, dir_fd=self._root_fd)
        try:
            yield Workspace(self._root / name)
        finally:
            remove_tree(name, dir_fd=self._root_fd)


class Workspace:
    """The directory of one build."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, stream: Source, *, bytes_max: int = BYTES_MAX) -> Kept:
        """Keep a tar, compressed or not, as something to read from. Raises InvalidRequest."""
        directory = self.path / secrets.token_hex(8)
        directory.mkdir(0o700)
        descriptor = os.open(directory, OPEN_DIRECTORY)
        try:
            written = write_layer(
                stream, dir_fd=descriptor, budget=Budget(bytes_max=bytes_max), durable=False, only_files=True
            )
        finally:
            os.close(descriptor)
        return Kept((Files.of(directory),), "sha256:" + written.digest.hex(), written.size)

    def keep_nothing(self) -> Kept:
        """A context without files."""
        return self.keep(Pieces([bytes(1024)]))


def without_ignored(kept: Kept, dockerfile: str, *, everything: bool = False) -> Kept:
    """The context without what its .dockerignore leaves out. Raises InvalidRequest.

    Clients filter what they send, but for the Dockerfile and the .dockerignore themselves, which the builder needs:
    those
    are hidden here. `everything`: nobody has filtered yet, since the context came from elsewhere.
    """
    with kept.open() as tree:
        text = tree.read(f"{dockerfile}{IGNORE_NAME}".encode(), 1 << 20) or tree.read(IGNORE_NAME.encode(), 1 << 20)
        if text is None:
            return kept
        ignore = Ignore(parse_ignore(text.decode(errors="replace")))
        paths = _files(tree) if everything else iter([dockerfile, IGNORE_NAME])
        hidden = {tree.resolve(os.fsencode(path), follow_last=False)[0] for path in paths if ignore.excludes(path)}
    return replace(kept, hidden=kept.hidden | hidden)


def _files(tree: Tree) -> Iterator[str]:
    """Every path that is no directory."""
    pending = [(b"", tree.root)]
    while pending:
        path, directory = pending.pop()
        for name, entry in tree.children(directory):
            below = path + b"/" + name if path else name
            if entry.is_directory:
                pending.append((below, entry))
            else:
                yield os.fsdecode(below)


def read_dockerfile(tree: Tree, name: str) -> str:
    """The Dockerfile of a context. Raises InvalidRequest in dockerd's words."""
    wanted = os.fsencode(name)
    if wanted.startswith(b"/") or b".." in wanted.split(b"/"):
        cleaned = [part for part in wanted.split(b"/") if part not in (b"", b".")]
        if b".." in cleaned:
            raise InvalidRequest(f"Forbidden path outside the build context: {name} ()")
    content = tree.read(wanted, 4 << 20)
    if content is None:
        raise InvalidRequest(f"Cannot locate specified Dockerfile: {name}")
    if not content.strip():
        raise InvalidRequest(f"the Dockerfile ({name}) cannot be empty")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidRequest(f"dockerfile parse error on line {line}: the Dockerfile is not UTF-8") from None
