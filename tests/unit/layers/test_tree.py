"""Does the packed tree behave like dicts of dicts?"""

from array import array

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sampan.layers import tree as tree_module
from sampan.layers.header import BadLayer
from sampan.layers.tree import NOWHERE, ROOT, Tree

NAMES = st.binary(min_size=1, max_size=3)


class Against(RuleBasedStateMachine):
    """The tree beside a dict of (parent, name)."""

    @initialize()
    def begin(self) -> None:
        """Both are empty."""
        self.tree = Tree()
        self.model: dict[tuple[int, bytes], int] = {}
        self.alive = [ROOT]
        self.cut: set[tuple[int, bytes]] = set()

    @rule(data=st.data(), name=NAMES)
    def add(self, data: st.DataObject, name: bytes) -> None:
        """A new child, unless the name is taken."""
        parent = data.draw(st.sampled_from(self.alive))
        if (parent, name) in self.cut:
            return
        found = self.tree.find(parent, name)
        assert found == self.model.get((parent, name), 0)
        if not found:
            node = self.tree.add(parent, name)
            self.model[parent, name] = node
            self.alive.append(node)

    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        """A new node takes the name of another."""
        nodes = [node for node in self.alive if node != ROOT]
        if nodes:
            node = data.draw(st.sampled_from(nodes))
            new = self.tree.replace(node)
            self.model = {key: new if value == node else value for key, value in self.model.items()}
            self.alive[self.alive.index(node)] = new

    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        """Cut one node off; nobody will ask for its name again."""
        nodes = [node for node in self.alive if node != ROOT]
        if nodes:
            node = data.draw(st.sampled_from(nodes))
            self.tree.detach(node)
            self.alive.remove(node)
            self.cut |= {key for key, value in self.model.items() if value == node}
            self.model = {key: value for key, value in self.model.items() if value != node}

    @invariant()
    def every_child_is_found(self) -> None:
        """And has the name it was given."""
        for (parent, name), node in self.model.items():
            assert self.tree.find(parent, name) == node and self.tree.name(node) == name

    def teardown(self) -> None:
        """What is reachable in the end, in order."""
        reachable = {ROOT}
        for (parent, _), node in sorted(self.model.items(), key=lambda item: item[1]):
            if parent in reachable:
                reachable.add(node)
        self.tree.settle()
        families = {parent: list(children) for parent, children in self.tree.families() if parent != NOWHERE}
        for parent, children in families.items():
            assert parent in reachable
            expected = sorted((name, node) for (above, name), node in self.model.items() if above == parent)
            assert children == [node for _, node in expected]
        assert {node for children in families.values() for node in children} == reachable - {ROOT}


Against.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAgainstDicts = Against.TestCase


def test_many_children_come_sorted_whatever_the_run_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "SORTED_AT_ONCE", 7)
    tree = Tree()
    parents = [ROOT, *(tree.add(ROOT, b"d%d" % number) for number in range(5))]
    for number in range(2000):
        tree.add(parents[number % 6], b"%d" % (number * 7919 % 2000))
    for _, children in tree.families():
        names = [tree.name(child) for child in children]
        assert names == sorted(names)
    assert sum(len(children) for _, children in tree.families()) == len(tree) - 1


def test_c10_too_many_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "NODES_MAX", 10)
    tree = Tree()
    with pytest.raises(BadLayer):
        for number in range(10):
            tree.add(ROOT, b"%d" % number)


def test_an_empty_tree_has_no_families() -> None:
    assert list(Tree().families()) == []
    assert Tree().parents == array("I", [ROOT])
