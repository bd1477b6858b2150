"""How is only that sent of a build context which has changed since the last build?

A context that a client has listed first (`wire/context.py`) is kept when its build is over. The next listing under the
same key is compared with the last one; what is new comes as a tar and goes on top, as a layer of its own, and what is
gone is hidden: nothing is copied. When that would become a tall stack, or mostly new, all of it is asked for again.

    <data root>/contexts/<some name>/<n>/     the tars that came, bottom first, with their indexes
                                     listing  the last listing

Whoever builds has hard links of his own to these files, so a context may be replaced or forgotten while he reads it.
Contexts are a cache of this daemon's life: none survives a restart, so none can be a torn one.
"""

import hashlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from sampan.builder.context import Kept, Workspace
from sampan.builder.tree import Files
from sampan.errors import InvalidRequest, NotFound, Unavailable
from sampan.layers.stream import Source
from sampan.linux.remove_tree import remove_tree
from sampan.wire.context import KEY_MAX, read_listing

log = logging.getLogger(__name__)
LISTING = "listing"
SECONDS = 600
WAITING_MAX = 32
CONTEXTS_MAX = 32
BYTES_MAX = 8 << 30
PART_OF_DISK = 20
STACK_MAX = 12
GONE_MAX = 2000
KEY = re.compile(rf"[0-9a-f]{{1,{KEY_MAX}}}")
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A context as it was for the last build of its key. `gone`: paths that are below, and no more."""

    directory: str
    stack: tuple[str, ...]
    gone: frozenset[bytes]
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a client has said that a context holds, until the build comes. `base`: what `wanted` goes on top of.

    `directory` has the listing and links to the files of `base`.
    """

    key: str
    directory: str
    wanted: tuple[int, ...] | None = None
    base: Known | None = None
    gone: frozenset[bytes] = frozenset()
    left: float


class KnownContexts:
    """The contexts that may be built from again; used from threads. `disk_bytes`: the size of their filesystem."""

    def __init__(self, root: Path, disk_bytes: Callable[[], int]) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._root_fd = os.open(root, OPEN_DIRECTORY)
        for name in os.listdir(self._root_fd):
            remove_tree(name, dir_fd=self._root_fd)
        self._bytes_max = min(BYTES_MAX, disk_bytes() // PART_OF_DISK)
        self._known: dict[str, Known] = {}  # the one that was used last comes last
        self._waiting: dict[str, Listed] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._root_fd)

    def compare(self, key: str, listing: bytes) -> tuple[str, tuple[int, ...] | None]:
        """A word for the build that follows, and the positions of what is wanted; None: all of it.

        Raises InvalidRequest, Unavailable.
        """
        if not KEY.fullmatch(key):
            raise InvalidRequest("key: a context is named by hexadecimal digits")
        now = read_listing(listing)
        with self._lock:
            self._forget_waiting()
            if len(self._waiting) >= WAITING_MAX:
                raise Unavailable(f"{WAITING_MAX} builds have listed their contexts and not begun: try again later")
            listed = self._listed(key, listing, now)
            word = secrets.token_urlsafe(24)
            self._waiting[word] = listed
        return word, listed.wanted

    def _listed(self, key: str, listing: bytes, now: Mapping[bytes, bytes]) -> Listed:
        known, moment = self._known.get(key), time.monotonic()
        if known is not None and len(known.stack) < STACK_MAX:
            before = read_listing((self._root / known.directory / LISTING).read_bytes())
            wanted = _changed(before, now)
            gone = _gone(known, before, now, wanted)
            if len(gone) <= GONE_MAX and 2 * len(wanted) <= len(now):
                stack = [Files.of(self._root / known.directory / name) for name in known.stack]
                directory, _ = self._directory(stack, listing)
                return Listed(key=key, directory=directory, wanted=wanted, base=known, gone=gone, left=moment)
        directory, _ = self._directory((), listing)
        return Listed(key=key, directory=directory, left=moment)

    def complete(self, word: str, workspace: Workspace, stream: Source) -> Kept:
        """The whole context, from what has come of it and what is here, kept for the next build, too.

        Raises InvalidRequest, and NotFound for a word that is none.
        """
        listed = self._take(word, workspace)
        came = workspace.keep(stream)
        directory = workspace.path / listed.directory
        listing = (directory / LISTING).read_bytes()
        if listed.base is None:
            kept = came
        else:
            gone = listed.gone | _missing(list(read_listing(listing)), listed, came)
            below = tuple(Files.of(directory / name) for name in listed.base.stack)
            stack = (*below, *came.stack) if listed.wanted else below
            digest = hashlib.sha256(repr((listed.base.digest, came.digest, sorted(gone))).encode()).hexdigest()
            kept = Kept(stack, f"sha256:{digest}", listed.base.size + came.size, gone)
        with self._lock:
            self._keep(listed.key, listing, kept)
        return kept

    def _take(self, word: str, workspace: Workspace) -> Listed:
        """What was listed, for the one build that it was listed for; its directory is the workspace's from here on."""
        with self._lock:
            self._forget_waiting()
            listed = self._waiting.pop(word, None)
            if listed is None:
                raise NotFound("no such context: a listing is used once, and forgotten after ten minutes")
            os.rename(self._root / listed.directory, workspace.path / listed.directory)
        return listed

    def _keep(self, key: str, listing: bytes, kept: Kept) -> None:
        """Replace what is known under the key. When that fails, the build has all that it needs already."""
        self._forget(key)
        if kept.size > self._bytes_max:
            return
        try:
            directory, stack = self._directory(kept.stack, listing)
        except OSError as error:
            log.warning("a build context is not kept error=%s", error)
            return
        self._known[key] = Known(directory=directory, stack=stack, gone=kept.hidden, digest=kept.digest, size=kept.size)
        while len(self._known) > CONTEXTS_MAX or sum(each.size for each in self._known.values()) > self._bytes_max:
            self._forget(next(iter(self._known)))

    def _directory(self, stack: Sequence[Files], listing: bytes) -> tuple[str, tuple[str, ...]]:
        """A new directory with the listing and links to these files; its name, and theirs. Raises OSError."""
        directory = secrets.token_hex(16)
        (self._root / directory).mkdir(0o700)
        names = tuple(str(number) for number in range(len(stack)))
        try:
            for name, files in zip(names, stack, strict=True):
                (self._root / directory / name).mkdir(0o700)
                made = Files.of(self._root / directory / name)
                os.link(files.index_file, made.index_file)
                os.link(files.tar_file, made.tar_file)
            (self._root / directory / LISTING).write_bytes(listing)
        except OSError:
            remove_tree(directory, dir_fd=self._root_fd)
            raise
        return directory, names

    def _forget(self, key: str) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            remove_tree(known.directory, dir_fd=self._root_fd)

    def sizes(self) -> Mapping[str, int]:
        """The bytes of each context, by its key."""
        with self._lock:
            return {key: known.size for key, known in self._known.items()}

    def prune(self) -> tuple[list[str], int]:
        """Forget every context; their keys, and the bytes that were freed."""
        with self._lock:
            freed = sum(known.size for known in self._known.values())
            keys = list(self._known)
            for key in keys:
                self._forget(key)
            self._forget_waiting()
        return keys, freed

    def _forget_waiting(self) -> None:
        now = time.monotonic()
        for word, listed in list(self._waiting.items()):
            if now - listed.left > SECONDS:
                del self._waiting[word]
                remove_tree(listed.directory, dir_fd=self._root_fd)


def _changed(before: Mapping[bytes, bytes], now: Mapping[bytes, bytes]) -> tuple[int, ...]:
    """The positions of what is not as it was, and of the directories above: a tar says what they are like, too."""
    positions = {path: position for position, path in enumerate(now)}
    wanted: set[int] = set()
    for path, fingerprint in now.items():
        if fingerprint and before.get(path) == fingerprint:
            continue
        while path and (position := positions.get(path)) not in wanted:
            if position is not None:
                wanted.add(position)
            path = path.rpartition(b"/")[0]
    return tuple(sorted(wanted))


def _gone(
    known: Known, before: Mapping[bytes, bytes], now: Mapping[bytes, bytes], wanted: Sequence[int]
) -> frozenset[bytes]:
    """The paths that the stack has and the context has not. What comes again is not among them."""
    paths = list(now)
    coming: Set[bytes] = {paths[position] for position in wanted}
    return (known.gone - coming) | (before.keys() - now.keys())


def _missing(paths: Sequence[bytes], listed: Listed, came: Kept) -> set[bytes]:
    """What was wanted and did not come: it ceased to be meanwhile, or is a socket."""
    with came.open() as tree:
        return {paths[position] for position in listed.wanted or () if tree.at(paths[position]) is None}
