"""How does a million names fit into a few megabytes?

A layer's tree while it is read: every node is a number, its facts are rows of arrays, names lie end to end in one
buffer, and a hash table finds a child by (parent, name). About 25 bytes a node plus its name, where a dict of objects
would take three hundred: a hostile layer must not cost the daemon its memory.

Nodes are never removed. `detach` cuts a node off its parent; what hangs below is then no longer part of the tree. A
parent is always older than its children, so one pass in order of number settles what is reachable.
"""

import heapq
from array import array
from collections.abc import Iterator, Sequence
from itertools import groupby

from sampan.layers.header import BadLayer

ROOT = 0
NOWHERE = 0xFFFFFFFF
NODES_MAX = 1 << 20
NAMES_MAX = 24 << 20  # bytes of all names together
SORTED_AT_ONCE = 1 << 15


class Tree:
    """Names and two facts on each: an inode number and a byte of state, both the caller's."""

    def __init__(self) -> None:
        self.parents = array("I", [ROOT])
        self.inodes = array("I", [0])
        self.states = bytearray(1)
        self._starts = array("I", [0, 0])  # one more than there are nodes: a name ends where the next begins
        self._names = bytearray()
        self._table = array("I", bytes(4 * 1024))  # open addressing; 0 is free, for the root is nobody's child

    def __len__(self) -> int:
        return len(self.parents)

    def name(self, node: int) -> bytes:
        """The node's last path component; empty for the root."""
        return bytes(self._names[self._starts[node] : self._starts[node + 1]])

    def find(self, parent: int, name: bytes) -> int:
        """The child of that name, or 0."""
        table, parents, starts, names = self._table, self.parents, self._starts, self._names
        mask = len(table) - 1
        slot = hash((parent, name)) & mask
        while node := table[slot]:
            if parents[node] == parent and names[starts[node] : starts[node + 1]] == name:
                return node
            slot = (slot + 1) & mask
        return 0

    def add(self, parent: int, name: bytes) -> int:
        """A new child; the caller knows that there is none of that name."""
        node = self._append(parent, name)
        if 3 * node > 2 * len(self._table):
            self._grow()
        else:
            self._table[self._slot(0, parent, name)] = node
        return node

    def replace(self, node: int) -> int:
        """A new node in the place of another, which is detached; nothing is below the new one."""
        parent, name = self.parents[node], self.name(node)
        new = self._append(parent, name)
        self._table[self._slot(node, parent, name)] = (
            new  # its slot too, or the dead would make a chain that every later search walks
        )
        self.detach(node)
        return new

    def detach(self, node: int) -> None:
        """Cut the node and all below it off the tree. Its name is not free again: see `replace`."""
        self.parents[node] = NOWHERE

    def settle(self) -> None:
        """Detach every node that hangs below a detached one."""
        parents = self.parents
        for node in range(1, len(parents)):
            parent = parents[node]
            if parent != NOWHERE and parents[parent] == NOWHERE:
                parents[node] = NOWHERE

    def families(self) -> Iterator[tuple[int, Sequence[int]]]:
        """Every node that has children, with these in bytewise order of name; detached nodes come under NOWHERE."""
        parents, name = self.parents, self.name

        def key(node: int) -> tuple[int, bytes]:
            return parents[node], name(node)

        total = len(parents)
        runs = [
            array("I", sorted(range(begin, min(begin + SORTED_AT_ONCE, total)), key=key))
            for begin in range(1, total, SORTED_AT_ONCE)
        ]
        merged = runs[0] if len(runs) == 1 else heapq.merge(*runs, key=key)
        for parent, children in groupby(merged, key=parents.__getitem__):
            yield parent, array("I", children)

    def _append(self, parent: int, name: bytes) -> int:
        node = len(self.parents)
        if node >= NODES_MAX or len(self._names) > NAMES_MAX:
            raise BadLayer(f"more than {NODES_MAX} files, or {NAMES_MAX} bytes of file names, in one layer")
        self.parents.append(parent)
        self.inodes.append(0)
        self.states.append(0)
        self._names += name
        self._starts.append(len(self._names))
        return node

    def _slot(self, node: int, parent: int, name: bytes) -> int:
        """The slot of the table that holds the node; of 0, the free one where a child of that name would go."""
        table = self._table
        mask = len(table) - 1
        slot = hash((parent, name)) & mask
        while table[slot] != node:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        self._table = array("I", bytes(2 * self._table.itemsize * len(self._table)))
        for node in range(1, len(self.parents)):
            if self.parents[node] != NOWHERE:
                self._table[self._slot(0, self.parents[node], self.name(node))] = node
