"""Which tree do the members of a layer leave behind?

What tar's users and Docker expect, made exact: the last member of a name wins; a directory that comes again keeps
what is in it; parents that no member names are made (0755, root). Names are cleaned as text first: leading slashes go,
`a/../b` is `b`, and a name that climbs above the root is refused. A parent that the layer itself made a symlink is
followed as if the layer's root were `/`, and what is missing there is made; nothing of the host or of other layers is
ever looked at.
"""

from sampan.layers.header import BadLayer
from sampan.layers.index import DELETED_BELOW, KIND, LINKED, OPAQUE, WHITEOUT, Index
from sampan.layers.tar import NAME_MAX, NO_XATTRS, Kind, Member
from sampan.layers.tree import ROOT, Tree
from sampan.layers.whiteout import METADATA_PREFIX, OPAQUE_NAME, PREFIX, Mark, admitted, classify

COMPONENT_MAX = 255
HOPS_MAX = 40  # like the kernel's MAXSYMLINKS
REMEMBERED_PARENTS = 1024
STEPS_MAX = 1 << 24  # components walked for one layer: seconds; an honest million of files needs a tenth
IMPLIED_MODE = 0o755
IMPLIED_MAX = (
    1 << 16
)  # a name of 4 KiB can imply two thousand directories: without a bound a small tar makes a large tree


class Changeset:
    """A layer's tree, one member at a time."""

    def __init__(self, index: Index) -> None:
        self.tree = Tree()
        self.root: Member | None = None  # the root directory as a member says it is, if one does
        self._index = index
        self._parents: dict[bytes, int] = {}  # spelled parent path -> node, until something is replaced
        self._steps = self._implied = 0
        self._make_directory(ROOT)

    def apply(self, member: Member) -> None:
        """Add one member to the tree. Raises BadLayer."""
        head, _, name = member.path.rpartition(b"/")
        if name in (b"", b".", b".."):
            cleaned = components(member.path)
            head, name = b"/".join(cleaned[:-1]), cleaned[-1] if cleaned else b""
        if METADATA_PREFIX in member.path and _is_metadata(components(member.path)):
            return
        if not name:
            self._set_root(member)
            return
        if len(name) > COMPONENT_MAX:
            raise BadLayer(f"a file name in the layer is longer than {COMPONENT_MAX} bytes: {name[:64]!r}…")
        mark, name = classify(name)
        if mark is Mark.METADATA:
            return
        parent = self._parent(head)
        if mark is Mark.OPAQUE:
            self.tree.states[parent] |= OPAQUE
        elif mark is Mark.DELETED:
            self._delete_below(parent, name, member)
        elif member.kind is Kind.HARDLINK:
            self._link(parent, name, member)
        else:
            is_whiteout = member.kind is Kind.CHARACTER and member.device == (0, 0)
            state = WHITEOUT | DELETED_BELOW if is_whiteout else int(member.kind)
            self._place(parent, name, state, self._index.add(member, admitted(member.kind, member.xattrs)))

    # -- one kind of change each

    def _set_root(self, member: Member) -> None:
        if member.kind is not Kind.DIRECTORY:
            raise BadLayer(f"the root of the layer must be a directory, not {member.kind.name.lower()}")
        self.root = member
        self.tree.inodes[ROOT] = self._index.add(member, admitted(member.kind, member.xattrs))

    def _delete_below(self, parent: int, name: bytes, member: Member) -> None:
        node = self.tree.find(parent, name)
        if node:  # the layer's own entry stays; only what is below goes
            self.tree.states[node] |= DELETED_BELOW
            return
        device = member._replace(kind=Kind.CHARACTER, mode=0, device=(0, 0), size=0)
        self._place(parent, name, WHITEOUT | DELETED_BELOW, self._index.add(device, NO_XATTRS))

    def _link(self, parent: int, name: bytes, member: Member) -> None:
        tree = self.tree
        *head, last = components(member.link) or [b""]
        directory = self._walk(head, create=False)
        target = tree.find(directory, last) if directory is not None else 0
        if not target or tree.states[target] & KIND == WHITEOUT:
            raise BadLayer(f"hard link {member.path!r}: the layer has no {member.link!r} before it")
        if tree.states[target] & KIND == Kind.DIRECTORY:
            raise BadLayer(f"hard link {member.path!r}: {member.link!r} is a directory")
        if tree.find(parent, name) == target:
            return
        tree.states[target] |= LINKED
        self._place(parent, name, tree.states[target] & KIND | LINKED, tree.inodes[target])

    def _place(self, parent: int, name: bytes, state: int, inode: int) -> int:
        """Bind a name to an inode; whatever had the name before gives way."""
        tree = self.tree
        node = tree.find(parent, name)
        if node:
            before = tree.states[node]
            state |= before & DELETED_BELOW
            was_directory = before & KIND == Kind.DIRECTORY
            if was_directory and state & KIND == Kind.DIRECTORY:
                state |= before & OPAQUE
            else:
                self._parents.clear()
            if was_directory and state & KIND != Kind.DIRECTORY:
                node = tree.replace(node)
        node = node or tree.add(parent, name)
        tree.states[node] = state
        tree.inodes[node] = inode
        return node

    # -- parents

    def _parent(self, head: bytes) -> int:
        node = self._parents.get(head)
        if node is None:
            found = self._walk(components(head), create=True)
            node = ROOT if found is None else found
            if len(self._parents) >= REMEMBERED_PARENTS:
                self._parents.clear()
            self._parents[head] = node
        return node

    def _walk(self, parts: list[bytes], *, create: bool) -> int | None:
        """The directory at a path of the layer, symlinks followed inside it; None if absent and not to be created."""
        tree = self.tree
        node, hops = ROOT, 0
        pending = parts[::-1]
        while pending:
            part = pending.pop()
            self._steps += 1
            if part == b"..":
                node = tree.parents[node]
                continue
            child = tree.find(node, part)
            kind = tree.states[child] & KIND if child else WHITEOUT
            if kind == Kind.SYMLINK:
                hops += 1
                target = self._index.link_target(tree.inodes[child])
                if hops > HOPS_MAX or len(pending) > NAME_MAX:
                    raise BadLayer(f"too many levels of symbolic links at {part!r}")
                node = ROOT if target.startswith(b"/") else node
                pending += [step for step in target.split(b"/") if step not in (b"", b".")][::-1]
                continue
            if kind not in (WHITEOUT, Kind.DIRECTORY):
                raise BadLayer(f"{part[:64]!r} is a file in the layer, and a directory to a later member")
            if kind == WHITEOUT and not create:
                return None
            node = self._imply(node, part) if kind == WHITEOUT else child
        if self._steps > STEPS_MAX:
            raise BadLayer("the names in the layer are too tangled")
        if hops and self._path_length(node) > NAME_MAX:  # without a link it is no longer than the name in the header
            raise BadLayer(f"a path of more than {NAME_MAX} bytes in the layer")
        return node

    def _imply(self, parent: int, name: bytes) -> int:
        self._implied += 1
        if self._implied > IMPLIED_MAX:
            raise BadLayer(f"more than {IMPLIED_MAX} directories in the layer that no member names")
        if len(name) > COMPONENT_MAX:
            raise BadLayer(f"a file name in the layer is longer than {COMPONENT_MAX} bytes: {name[:64]!r}…")
        if name.startswith(PREFIX):
            raise BadLayer(f"a whiteout cannot have anything below it: {name[:64]!r}")
        node = self._place(parent, name, Kind.DIRECTORY, 0)
        self._make_directory(node)
        return node

    def _make_directory(self, node: int) -> None:
        implied = Member(b"", Kind.DIRECTORY, IMPLIED_MODE, 0, 0, 0, 0, b"", (0, 0), NO_XATTRS, 0)
        self.tree.inodes[node] = self._index.add(implied, NO_XATTRS)
        self.tree.states[node] |= Kind.DIRECTORY

    def _path_length(self, node: int) -> int:
        length = 0
        while node != ROOT:
            length += len(self.tree.name(node)) + 1
            node = self.tree.parents[node]
        return length


def components(path: bytes) -> list[bytes]:
    """A path's components, cleaned as text like Go's filepath.Clean; one that climbs above the root is refused."""
    cleaned: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if not cleaned:
                raise BadLayer(f"{path[:64]!r} is outside of the layer")
            cleaned.pop()
        elif part not in (b"", b"."):
            cleaned.append(part)
    return cleaned


def _is_metadata(parts: list[bytes]) -> bool:
    """AUFS kept its own directories at the top of a layer, and old tools shipped them."""
    return parts[0].startswith(METADATA_PREFIX) and parts != [OPAQUE_NAME]
