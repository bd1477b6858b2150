"""How do a build's own layers become one, on the base as it was? `--squash`.

What the stack shows is compared with what the base shows, along the names that the build's layers have: what is there
now is written, what was there and is not is a deletion. The base's layers stay as they are, and stay shared.
"""

from collections.abc import Iterator

from sampan.builder.owner import Owner
from sampan.builder.place import member_of
from sampan.builder.tree import Entry, Tree
from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.tar import NO_XATTRS, Kind, Member
from sampan.layers.whiteout import PREFIX


def squashed(tree: Tree, base: Tree, own_layers: int) -> Iterator[bytes]:
    """The tar of one layer that does to `base` what the topmost `own_layers` of `tree` do."""
    yield from _Squash(tree, base, own_layers).members()
    yield END_OF_ARCHIVE


class _Squash:
    def __init__(self, tree: Tree, base: Tree, own_layers: int) -> None:
        self._tree = tree
        self._base = base
        self._own = own_layers
        self._first_names: dict[tuple[int, int], bytes] = {}

    def members(self) -> Iterator[bytes]:
        """Depth first, in bytewise order of the components."""
        pending: list[tuple[bytes, Entry, Entry | None]] = [(b"", self._tree.root, self._base.root)]
        while pending:
            path, directory, before = pending.pop()
            if path:
                yield encode(self._member(path, directory))
            below = []
            for name in self._names(directory, before):
                child_path = path + b"/" + name if path else name
                there = self._base.child(before, name) if before is not None and before.is_directory else None
                entry = self._tree.child(directory, name)
                if entry is None:
                    if there is not None:
                        yield encode(_whiteout(path, name))
                elif entry.is_directory:
                    if self._is_own(entry):
                        if there is not None and not there.is_directory:
                            there = None
                        below.append((child_path, entry, there))
                elif self._is_own(entry):
                    yield from self._file(child_path, entry)
            # A directory's own members follow it at once, so those of the next wait behind all of the first's.
            pending += reversed(below)

    def _names(self, directory: Entry, before: Entry | None) -> list[bytes]:
        """Names that the build's layers speak of, and those of the base that may have gone with their directory."""
        names = self._tree.names(directory, self._own)
        if before is not None and before.is_directory and not any(number >= self._own for number, _ in directory.parts):
            names |= {name for name, _ in self._base.children(before)}
        return sorted(names)

    def _is_own(self, entry: Entry) -> bool:
        return any(number < self._own for number, _ in entry.parts)

    def _member(self, path: bytes, entry: Entry) -> Member:
        member = member_of(path, entry, Owner(entry.inode.uid, entry.inode.gid))
        return member._replace(link=self._tree.link_target(entry)) if entry.kind is Kind.SYMLINK else member

    def _file(self, path: bytes, entry: Entry) -> Iterator[bytes]:
        member = self._member(path, entry)
        if entry.inode.links > 1:
            first = self._first_names.setdefault(entry.identity, path)
            if first != path:
                yield encode(member._replace(kind=Kind.HARDLINK, link=first, size=0, xattrs=NO_XATTRS))
                return
        yield encode(member)
        if member.kind is Kind.FILE:
            yield from self._tree.data(entry)
            yield padding(member.size)


def _whiteout(parent: bytes, name: bytes) -> Member:
    path = (parent + b"/" if parent else b"") + PREFIX + name
    return Member(path, Kind.FILE, 0o600, 0, 0, 0, 0, b"", (0, 0), NO_XATTRS, 0)
