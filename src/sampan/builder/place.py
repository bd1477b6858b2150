"""Where does COPY put what it copies?

The rules of BuildKit's file copy: a directory's contents go into the target, a file goes to the target or, if that is a
directory, into it; missing parents are made; directories on the way keep what the stage says of them. The outcome is a
`Placement`: for each path of the new layer what stands there. It says everything about the layer, so its digest is the
step's cache key: contents, names and permissions, never times.
"""

import hashlib
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sampan.builder.owner import ROOT, Owner, changed_mode
from sampan.builder.select import Selected
from sampan.builder.tree import Entry, Tree
from sampan.errors import InvalidRequest
from sampan.layers.tar import NO_XATTRS, Kind, Member
from sampan.layers.whiteout import PREFIX, admitted
from sampan.wire.patterns import Ignore

FILES_MAX = 500_000
NEW_DIRECTORY = 0o755


@dataclass(frozen=True, slots=True)
class Placed:
    """One member of the new layer. Its bytes are `content`, or those of `entry` in `tree`."""

    member: Member
    tree: Tree | None = None
    entry: Entry | None = None
    content: bytes = b""

    def data(self) -> Iterator[bytes]:
        """The bytes of a file."""
        if self.tree is not None and self.entry is not None:
            return self.tree.data(self.entry)
        return iter((self.content,) if self.content else ())


@dataclass(frozen=True, slots=True)
class Content:
    """A file that comes from nowhere in a tree: a heredoc, or a download."""

    name: bytes
    data: bytes
    mode: int = 0o644
    mtime_ns: int = 0


@dataclass(slots=True, kw_only=True)
class Placement:
    """What the new layer holds, by path. `base` is the stage that it goes on top of."""

    base: Tree
    owner: Owner | None = None
    chmod: str = ""
    follow: bool = True
    placed: dict[bytes, Placed] = field(default_factory=dict)
    implied: set[bytes] = field(default_factory=set)
    complete: set[bytes] = field(default_factory=set)  # the paths whose parents are all in `placed`, and they too

    def copy(
        self, tree: Tree, selected: Selected, target: str, exclude: Ignore, *, into: bool, keep_owner: bool
    ) -> None:
        """Put one source where it belongs. Raises InvalidRequest for what cannot be put there."""
        walk = _Walk(self, tree, exclude, keep_owner)
        path, entry = self._find(target)
        if selected.entry.is_directory:
            self._make_parents(path)
            walk.contents(selected.entry, path, entry, b"")
            return
        name = posixpath.basename(selected.path)
        if into or target.endswith(("/", "/.")) or (entry is not None and entry.is_directory):
            self._require_directory(path, entry)
            entry = self.base.child(entry, name) if entry is not None else None
            path = path + b"/" + name if path else name
        if exclude and exclude.excludes(os.fsdecode(name)):
            return
        self._make_parents(path)
        walk.file(selected.entry, path, entry)

    def copy_with_parents(
        self, tree: Tree, selected: Selected, target: str, exclude: Ignore, *, keep_owner: bool
    ) -> None:
        """--parents: the source's own directories come along, below the target."""
        walk = _Walk(self, tree, exclude, keep_owner)
        path, entry = self._find(target)
        self._require_directory(path, entry)
        skipped = [part for part in selected.path.split(b"/") if part]
        kept = [part for part in selected.kept.split(b"/") if part]
        above = b"/".join(skipped[: len(skipped) - len(kept)])
        for part in kept[:-1] if not selected.entry.is_directory else kept:
            above = above + b"/" + part if above else part
            path = path + b"/" + part if path else part
            entry = self.base.child(entry, part) if entry is not None and entry.is_directory else None
            _, directory = tree.resolve(above)
            if directory is not None and directory.is_directory and path not in self.placed:
                self._make_parents(path)
                walk.directory(directory, path, entry)
        relative = b"/".join(kept)
        if selected.entry.is_directory:
            walk.contents(selected.entry, path, entry, relative)
        elif kept and not exclude.excludes(os.fsdecode(relative)):
            below = self.base.child(entry, kept[-1]) if entry is not None and entry.is_directory else None
            path = path + b"/" + kept[-1] if path else kept[-1]
            self._make_parents(path)
            walk.file(selected.entry, path, below)

    def add_content(self, content: Content, target: str, *, into: bool) -> None:
        """Put a file that is in no tree."""
        path, entry = self._find(target)
        if into or target.endswith(("/", "/.")) or (entry is not None and entry.is_directory):
            self._require_directory(path, entry)
            entry = self.base.child(entry, content.name) if entry is not None else None
            path = path + b"/" + content.name if path else content.name
        if entry is not None and entry.is_directory:
            raise InvalidRequest(f"cannot replace to directory /{os.fsdecode(path)} with file")
        self._make_parents(path)
        owner = self.owner or ROOT
        mode = changed_mode(self.chmod, content.mode, is_directory=False)
        size = len(content.data)
        self._put(
            Placed(
                Member(path, Kind.FILE, mode, owner.uid, owner.gid, size, content.mtime_ns, b"", (0, 0), NO_XATTRS, 0),
                content=content.data,
            )
        )

    def make_directory(self, target: str) -> bool:
        """WORKDIR: the directory with its parents; whether anything had to be made. Raises InvalidRequest."""
        path, entry = self._find(target)
        self._require_directory(path, entry)
        return bool(self.implied)

    def digest(self) -> str:
        """SHA-256 over everything in the layer but times."""
        total = hashlib.sha256()
        links: dict[tuple[int, int, int], bytes] = {}
        for placed in self.members():
            member = placed.member
            first = self._first_name(placed, links)
            about = (
                member.path, int(member.kind), member.mode, member.uid, member.gid, member.size, member.link,
                member.device, sorted(member.xattrs.items()), first,
            )  # fmt: skip
            total.update(repr(about).encode())
            if member.kind is Kind.FILE and not first:
                content = hashlib.sha256()
                for piece in placed.data():
                    content.update(piece)
                total.update(content.digest())
        return total.hexdigest()

    def members(self) -> list[Placed]:
        """Everything in the layer: bytewise by components, a directory before what is in it."""
        return [self.placed[path] for path in sorted(self.placed, key=lambda path: path.split(b"/"))]

    def with_hard_links(self, members: Sequence[Placed]) -> Iterator[Placed]:
        """The members as they are written: a second name of a file is a link to the first."""
        links: dict[tuple[int, int, int], bytes] = {}
        for placed in members:
            first = self._first_name(placed, links)
            yield Placed(placed.member._replace(kind=Kind.HARDLINK, link=first, size=0)) if first else placed

    def _first_name(self, placed: Placed, links: dict[tuple[int, int, int], bytes]) -> bytes:
        entry = placed.entry
        if entry is None or entry.is_directory or entry.inode.links < 2:
            return b""
        key = (id(placed.tree), *entry.identity)
        if links.setdefault(key, placed.member.path) == placed.member.path:
            return b""
        return links[key]

    def _put(self, placed: Placed) -> None:
        path = placed.member.path
        if len(self.placed) >= FILES_MAX:
            raise InvalidRequest(f"more than {FILES_MAX} files in one step")
        before = self.placed.get(path)
        if before is not None and before.member.kind is Kind.DIRECTORY and placed.member.kind is not Kind.DIRECTORY:
            raise InvalidRequest(f"cannot replace to directory /{os.fsdecode(path)} with file")
        self.placed[path] = placed
        self.implied.discard(path)

    def _find(self, target: str) -> tuple[bytes, Entry | None]:
        cleaned = posixpath.normpath("/" + target)
        return self.base.resolve(os.fsencode(cleaned), follow_last=self.follow)

    def _require_directory(self, path: bytes, entry: Entry | None) -> None:
        if entry is not None and not entry.is_directory:
            raise InvalidRequest(f"cannot copy to non-directory: /{os.fsdecode(path)}")
        if path and path not in self.placed:
            self._make_parents(path)
            self._imply(path, entry)

    def _make_parents(self, path: bytes) -> None:
        """The directories above: as the stage has them, or new."""
        parent = path.rpartition(b"/")[0]
        if parent in self.complete:
            return
        parts = parent.split(b"/") if parent else []
        entry: Entry | None = self.base.root
        above = b""
        for part in parts:
            above = above + b"/" + part if above else part
            entry = self.base.child(entry, part) if entry is not None and entry.is_directory else None
            if above in self.placed:
                continue
            if entry is not None and not entry.is_directory:
                raise InvalidRequest(f"cannot copy to non-directory: /{os.fsdecode(above)}")
            self._imply(above, entry)
        self.complete.add(parent)

    def _imply(self, path: bytes, entry: Entry | None) -> None:
        if entry is not None:
            self.placed[path] = Placed(member_of(path, entry, Owner(entry.inode.uid, entry.inode.gid)))
            return
        owner = self.owner or ROOT
        member = Member(
            path, Kind.DIRECTORY, NEW_DIRECTORY, owner.uid, owner.gid, 0, 0, b"", (0, 0), NO_XATTRS, 0
        )  # fmt: skip
        self.placed[path] = Placed(member)
        self.implied.add(path)


class _Walk:
    """One source on its way into the placement."""

    def __init__(self, placement: Placement, tree: Tree, exclude: Ignore, keep_owner: bool) -> None:
        self._to = placement
        self._tree = tree
        self._exclude = exclude
        self._keep_owner = keep_owner

    def contents(self, directory: Entry, path: bytes, there: Entry | None, relative: bytes) -> None:
        """What is in a directory goes into the one at `path`; that one is made like it if it is missing."""
        if there is not None and not there.is_directory:
            raise InvalidRequest(f"cannot copy to non-directory: /{os.fsdecode(path)}")
        if path and there is None and path not in self._to.placed:
            self.directory(directory, path, None)
        elif path and path not in self._to.placed:
            self._to._imply(path, there)
        pending = [(directory, path, there, relative)]
        while pending:
            pending += reversed(list(self._level(*pending.pop())))

    def _level(
        self, directory: Entry, path: bytes, there: Entry | None, relative: bytes
    ) -> Iterator[tuple[Entry, bytes, Entry | None, bytes]]:
        for name, entry in self._tree.children(directory):
            inside = relative + b"/" + name if relative else name
            is_excluded = bool(self._exclude) and self._exclude.excludes(os.fsdecode(inside))
            if is_excluded and not (entry.is_directory and self._exclude.has_exceptions):
                continue
            below = path + b"/" + name if path else name
            base = self._to.base.child(there, name) if there is not None and there.is_directory else None
            if not entry.is_directory:
                self.file(entry, below, base)
                continue
            if not is_excluded:
                self.directory(entry, below, base)
            yield entry, below, base, inside

    def directory(self, entry: Entry, path: bytes, there: Entry | None) -> None:
        """A directory itself, with its own permissions."""
        before = self._to.placed.get(path)
        is_other = before is not None and before.member.kind is not Kind.DIRECTORY
        if is_other or (there is not None and not there.is_directory):
            raise InvalidRequest(f"cannot copy to non-directory: /{os.fsdecode(path)}")
        self._to._put(Placed(self._member(path, entry), self._tree, entry))

    def file(self, entry: Entry, path: bytes, there: Entry | None) -> None:
        """Anything that is no directory."""
        name = path.rpartition(b"/")[2]
        if name.startswith(PREFIX) or (entry.kind is Kind.CHARACTER and entry.inode.device == (0, 0)):
            raise InvalidRequest(f"a file whose name begins with {PREFIX.decode()!r} cannot be kept in a layer")
        if there is not None and there.is_directory:
            raise InvalidRequest(f"cannot replace to directory /{os.fsdecode(path)} with file")
        member = self._member(path, entry)
        if entry.kind is Kind.SYMLINK:
            member = member._replace(link=self._tree.link_target(entry))
        self._to._make_parents(path)
        self._to._put(Placed(member, self._tree, entry))

    def _member(self, path: bytes, entry: Entry) -> Member:
        own = Owner(entry.inode.uid, entry.inode.gid) if self._keep_owner else ROOT
        member = member_of(path, entry, self._to.owner or own)
        if entry.kind is Kind.SYMLINK or not self._to.chmod:
            return member
        mode = changed_mode(self._to.chmod, member.mode, is_directory=entry.is_directory)
        return member._replace(mode=mode)


def member_of(path: bytes, entry: Entry, owner: Owner) -> Member:
    """The tar member that an entry is, at another path and with another owner."""
    inode = entry.inode
    size = inode.size if entry.kind is Kind.FILE else 0
    device = inode.device if entry.kind in (Kind.CHARACTER, Kind.BLOCK) else (0, 0)
    kept: Mapping[bytes, bytes] = admitted(entry.kind, inode.xattrs) if inode.xattrs else NO_XATTRS
    return Member(path, entry.kind, entry.mode, owner.uid, owner.gid, size, inode.mtime_ns, b"", device, kept, 0)


def newest(members: Sequence[Placed], implied: set[bytes]) -> int:
    """The latest time of what was copied, in nanoseconds: made directories get it, so that they do not depend on
    now.
    """
    return max((placed.member.mtime_ns for placed in members if placed.member.path not in implied), default=0)
