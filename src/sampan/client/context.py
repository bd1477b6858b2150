"""What of a directory is sent to a build, and how?

A tar, written while it is sent: what .dockerignore leaves out is not even opened; links, hard links, special files and
names that are not UTF-8 go as they are, owners do not go at all. The Dockerfile and the .dockerignore are always sent,
because the builder reads them. An engine that still has what a build was sent before is told first what there is
(`listing`, in the words of `wire/context.py`), and sent what it does not have.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import time
from collections.abc import Container, Iterator

from sampan.client.tar_pieces import END, data_of, gathered, header, padding
from sampan.errors import InvalidRequest
from sampan.wire.context import write_listing
from sampan.wire.patterns import Ignore, parse_ignore

IGNORE_NAME = ".dockerignore"
IGNORE_BYTES_MAX = 1 << 20
FRESH_NS = 2 * 10**9  # what has changed so lately may change again and have the same times
LARGE = 100 << 20  # bytes of context from which on the largest paths are named


class Context:
    """A directory on its way to a build. `sizes`: the bytes sent, by the first component of their path."""

    def __init__(self, root: str, dockerfile: str = "Dockerfile") -> None:
        self.root = root
        self.dockerfile = dockerfile
        self.ignore = Ignore(read_patterns(root, dockerfile))
        self.sizes: dict[str, int] = {}
        self.extra: list[tuple[str, bytes]] = []
        self._listed: list[tuple[str, str]] | None = None

    @property
    def total(self) -> int:
        """The bytes sent so far."""
        return sum(self.sizes.values())

    def largest(self, count: int = 5) -> list[tuple[str, int]]:
        """The paths that took most of it."""
        return sorted(self.sizes.items(), key=lambda item: -item[1])[:count]

    @property
    def key(self) -> str:
        """The same for every build of this directory by this user of this machine."""
        about = os.stat(self.root)
        told = (os.uname().nodename, os.getuid(), about.st_dev, about.st_ino, os.path.realpath(self.root))
        return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()

    def listing(self) -> bytes:
        """What there is, for an engine that may have some of it. Raises InvalidRequest for what cannot be read."""
        began_ns = time.time_ns()
        extra = {name for name, _ in self.extra}  # they take the place of what has their name
        self._listed = [(path, relative) for path, relative in self._walk() if relative not in extra]
        entries = [(os.fsencode(relative), _fingerprint(path, began_ns)) for path, relative in self._listed]
        return write_listing([*entries, *((os.fsencode(name), b"") for name, _ in self.extra)])

    def pieces(self, wanted: Container[int] | None = None) -> Iterator[bytes]:
        """The tar; only what stands at the `wanted` positions of the listing. Raises InvalidRequest."""
        return gathered(self._members(wanted))

    def _members(self, wanted: Container[int] | None) -> Iterator[bytes]:
        # It knows which names are of one file; nothing is ever written or extracted with it.
        with tarfile.TarFile(fileobj=io.BytesIO(), mode="w") as names:
            for position, (path, relative) in enumerate(self._walk() if self._listed is None else self._listed):
                if wanted is None or position in wanted:
                    yield from self._member(names, path, relative)
        for name, content in self.extra:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            yield from (header(member), content, padding(member.size))
        yield END

    def _member(self, names: tarfile.TarFile, path: str, relative: str) -> Iterator[bytes]:
        size = 0
        try:
            member = names.gettarinfo(path, relative)
            if member is None:
                return  # a socket
            _strip(member)
            if not member.isreg():
                yield header(member)
            else:
                with open(path, "rb") as file:
                    size = member.size = os.fstat(file.fileno()).st_size
                    yield header(member)
                    yield from data_of(file, size)
                yield padding(size)
        except OSError as error:
            raise InvalidRequest(f"error checking context: {path}: {(error.strerror or '').lower()}") from None
        first = relative.partition("/")[0]
        self.sizes[first] = self.sizes.get(first, 0) + size

    def _walk(self) -> Iterator[tuple[str, str]]:
        pending = [("", self.root)] if self.root != os.devnull else []
        while pending:
            prefix, directory = pending.pop()
            try:
                entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
            except OSError as error:
                raise InvalidRequest(f"error checking context: {directory}: {(error.strerror or '').lower()}") from None
            below = []
            for entry in entries:
                relative = prefix + entry.name
                is_directory = entry.is_dir(follow_symlinks=False)
                excluded = bool(self.ignore) and self.ignore.excludes(relative) and not self._is_needed(relative)
                if not excluded:
                    yield entry.path, relative
                if is_directory and (not excluded or self.ignore.has_exceptions):
                    below.append((relative + "/", entry.path))
            pending += reversed(below)

    def _is_needed(self, relative: str) -> bool:
        return bool(self.dockerfile) and relative in (self.dockerfile, IGNORE_NAME, self.dockerfile + IGNORE_NAME)


def read_patterns(root: str, dockerfile: str) -> list[str]:
    """The patterns of DOCKERFILE.dockerignore, else of .dockerignore. Raises InvalidRequest."""
    for name in (dockerfile + IGNORE_NAME, IGNORE_NAME):
        try:
            with open(os.path.join(root, name), encoding="utf-8", errors="surrogateescape") as file:
                return parse_ignore(file.read(IGNORE_BYTES_MAX))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise InvalidRequest(f"{name} cannot be read: {(error.strerror or '').lower()}") from None
    return []


def _fingerprint(path: str, began_ns: int) -> bytes:
    """Whatever changes when the file does; empty, which is equal to nothing, for what cannot be told."""
    try:
        about = os.lstat(path)
    except OSError as error:
        raise InvalidRequest(f"error checking context: {path}: {(error.strerror or '').lower()}") from None
    if stat.S_ISDIR(about.st_mode):
        return b"%o %d" % (about.st_mode, about.st_mtime_ns)
    if about.st_ctime_ns > began_ns - FRESH_NS or about.st_nlink > 1:  # names of one file go together
        return b""
    told = (about.st_mode, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_dev, about.st_ino)
    return b"%o %d %d %d %d %d" % told


def _strip(member: tarfile.TarInfo) -> None:
    """Owners are this machine's business; fractions of seconds nobody's."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)
    member.mode = stat.S_IMODE(member.mode)
