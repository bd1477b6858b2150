"""Do any members, in any order, leave the tree that a naive model of them leaves?

The model is dicts in dicts, following the rules as `changeset` and `whiteout` state them in words; the result is read
from the finished index, without the kernel.
"""

import io
import stat
import tempfile
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.layers.changeset import Changeset, components
from sampan.layers.header import BadLayer
from sampan.layers.index import Index
from sampan.layers.stream import Stream
from sampan.layers.tar import read_members
from sampan.layers.walk import IndexReader, Inode
from unit.layers.crafted import archive, device, directory, file, hardlink, symlink

NAMES = st.sampled_from([b"a", b"b", b"c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
TARGETS = st.one_of(PATHS, PATHS.map(lambda path: b"/" + path), PATHS.map(lambda path: b"../" + path))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("file"), PATHS, st.binary(max_size=3)),
        st.tuples(st.just("dir"), PATHS, st.just(b"")),
        st.tuples(st.just("link"), PATHS, TARGETS),
        st.tuples(st.just("hard"), PATHS, PATHS),
        st.tuples(st.just("whiteout"), PATHS, st.just(b"")),
        st.tuples(st.just("opaque"), PATHS, st.just(b"")),
        st.tuples(st.just("device"), PATHS, st.just(b"")),
    ),
    max_size=12,
)
Step = tuple[str, bytes, bytes]


class Refused(Exception):
    """The model would not have this member."""


class Node:
    """A file, link, device, whiteout or directory of the model."""

    def __init__(self, kind: str, content: bytes = b"") -> None:
        self.kind = kind
        self.content = content
        self.children: dict[bytes, Node] = {}
        self.opaque = False
        self.deleted_below: set[bytes] = set()


class Model:
    """The tree that members leave, naively."""

    def __init__(self) -> None:
        self.root = Node("dir")

    def apply(self, step: Step) -> None:
        """One member."""
        kind, path, content = step
        *head, name = path.split(b"/")
        if kind == "opaque":
            self.walk([*head, name])[-1].opaque = True
            return
        parent = self.walk(head)[-1]
        before = parent.children.get(name)
        if kind == "whiteout":
            parent.deleted_below.add(name)
            parent.children.setdefault(name, Node("whiteout"))
        elif kind == "hard":
            target = self.existing(content)
            if target is not before:
                parent.children[name] = target
        elif not (kind == "dir" and before and before.kind == "dir"):
            parent.children[name] = Node(kind, content)

    def walk(self, parts: list[bytes], *, create: bool = True) -> list[Node]:
        """The directories from the root to that one; links are followed, what is missing is made."""
        line = [self.root]
        todo = list(parts)
        hops = 0
        while todo:
            part = todo.pop(0)
            if part == b"..":
                line = line[:-1] or line
                continue
            child = line[-1].children.get(part)
            if child is None or child.kind == "whiteout":
                if not create:
                    raise Refused
                child = line[-1].children[part] = Node("dir")
            if child.kind == "link":
                hops += 1
                if hops > 40:
                    raise Refused
                line = [self.root] if child.content.startswith(b"/") else line
                todo = [step for step in child.content.split(b"/") if step] + todo
            elif child.kind != "dir":
                raise Refused
            else:
                line.append(child)
        return line

    def existing(self, path: bytes) -> Node:
        """What a hard link means."""
        *head, name = path.split(b"/")
        found = self.walk(head, create=False)[-1].children.get(name)
        if found is None or found.kind in ("dir", "whiteout"):
            raise Refused
        return found

    def picture(self) -> dict[bytes, Any]:
        """Path → (kind, content, opaque, names of the same file)."""
        found: dict[bytes, Any] = {}
        names: dict[int, list[bytes]] = {}
        pending = [(b"", self.root, self.root.opaque, self.root.opaque)]
        while pending:
            path, node, opaque, cut_off = pending.pop()
            names.setdefault(id(node), []).append(path)
            found[path] = (node.kind, node.content, opaque, names[id(node)])
            for name, child in node.children.items():
                if child.kind == "whiteout" and cut_off:
                    continue
                own = child.kind == "dir" and (child.opaque or name in node.deleted_below)
                pending.append((path + b"/" + name, child, own, own or cut_off))
        return {path: (kind, content, opaque, sorted(same)) for path, (kind, content, opaque, same) in found.items()}


def member(step: Step) -> bytes:
    """The step as a member of a tar."""
    kind, path, content = step
    head, slash, name = path.rpartition(b"/")
    made = {
        "file": lambda: file(path, content),
        "dir": lambda: directory(path),
        "link": lambda: symlink(path, content),
        "hard": lambda: hardlink(path, content),
        "whiteout": lambda: file(head + slash + b".wh." + name),
        "opaque": lambda: file(path + b"/.wh..wh..opq"),
        "device": lambda: device(path, 1, 3),
    }
    return made[kind]()


def indexed(tar: bytes) -> dict[bytes, Any]:
    """The same picture from a finished index."""
    with tempfile.TemporaryFile() as output:
        index = Index(output.fileno())
        changeset = Changeset(index)
        for found in read_members(Stream(io.BytesIO(tar))):
            changeset.apply(found)
        index.finish(changeset.tree, tar_bytes=len(tar), uuid=bytes(16))
        return picture(IndexReader(output.fileno()), tar)


def picture(reader: IndexReader, tar: bytes) -> dict[bytes, Any]:
    """The tree of an index; its link counts must be right."""
    found: dict[bytes, Any] = {}
    names: dict[int, list[bytes]] = {}
    inodes: dict[int, Inode] = {}
    pending = [(b"", 48)]
    while pending:
        path, nid = pending.pop()
        inode = inodes[nid] = reader.inode(nid)
        names.setdefault(nid, []).append(path)
        kind, content = described(reader, inode, tar)
        found[path] = (kind, content, b"trusted.overlay.opaque" in inode.xattrs, names[nid])
        if inode.is_directory:
            children = list(reader.children(inode))
            assert [name for name, _, _ in children] == sorted(name for name, _, _ in children)
            assert inode.links == 2 + sum(kind == 2 for _, _, kind in children)
            pending += [(path + b"/" + name, nid) for name, nid, _ in children]
    for nid, inode in inodes.items():
        assert inode.is_directory or inode.links == len(names[nid])
    return {path: (kind, content, opaque, sorted(same)) for path, (kind, content, opaque, same) in found.items()}


def described(reader: IndexReader, inode: Inode, tar: bytes) -> tuple[str, bytes]:
    """What the model calls an inode, and its content."""
    if stat.S_ISREG(inode.mode):
        begin = reader.data_offset(inode) if inode.size else 0
        return "file", tar[begin : begin + inode.size]
    if stat.S_ISLNK(inode.mode):
        return "link", reader.link_target(inode)
    if stat.S_ISCHR(inode.mode):
        return ("whiteout" if inode.device == (0, 0) else "device"), b""
    return "dir", b""


@settings(max_examples=1000, deadline=None)
@given(STEPS)
def test_any_members_leave_the_tree_of_the_model(steps: list[Step]) -> None:
    model = Model()
    accepted = True
    try:
        for step in steps:
            model.apply(step)
    except Refused:
        accepted = False
    tar = archive(*(member(step) for step in steps))
    try:
        found = indexed(tar)
    except BadLayer:
        assert not accepted
    else:
        assert accepted
        assert found == model.picture()


@given(st.lists(st.sampled_from([b"a", b"b", b"..", b".", b""])).map(b"/".join))
def test_cleaned_paths_have_no_dots_and_never_climb(path: bytes) -> None:
    try:
        cleaned = components(path)
    except BadLayer:
        depth = lowest = 0
        for part in path.split(b"/"):
            depth += (part in (b"a", b"b")) - (part == b"..")
            lowest = min(lowest, depth)
        assert lowest < 0
    else:
        assert set(cleaned) <= {b"a", b"b"}
