"""Are secrets and contexts taken once, few and small, and forgotten when nobody comes?"""

import base64
import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from archives import file, tar
from sampan.builder import inputs as module
from sampan.builder.context import Workspaces
from sampan.builder.inputs import AGENTS_MAX, BYTES_MAX, CONTEXTS_MAX, WAITING_MAX, Inputs
from sampan.errors import InvalidRequest, NotFound, Unavailable
from sampan.wire.ssh_agent import ID_MAX


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where contexts are kept."""
    return tmp_path / "builds"


@pytest.fixture
def inputs(root: Path) -> Iterator[Inputs]:
    """Nothing was left yet."""
    workspaces = Workspaces(root)
    yield Inputs(workspaces)
    workspaces.close()


def test_what_is_left_is_taken_once(inputs: Inputs) -> None:
    word = inputs.leave({"a": base64.b64encode(b"\0secret").decode()})
    given = inputs.take(word)
    assert given.secrets == {"a": b"\0secret"} and given.agents is None
    with pytest.raises(NotFound):
        inputs.take(word)


def test_agents_are_left_with_the_way_back(inputs: Inputs) -> None:
    word = inputs.leave({}, ["default", "x"])
    link = inputs.link(word)
    assert inputs.take(word).agents is link and link.agents == {"default", "x"}
    with pytest.raises(NotFound):
        inputs.link(word)
    with pytest.raises(NotFound, match="no agents"):
        inputs.link(inputs.leave({}))


def test_bounds(inputs: Inputs) -> None:
    for agents in ([""], ["x" * (ID_MAX + 1)], ["x"] * (AGENTS_MAX + 1)):
        with pytest.raises(InvalidRequest, match="SSH agents"):
            inputs.leave({}, agents)
    with pytest.raises(InvalidRequest, match="not base64"):
        inputs.leave({"a": "%%%"})
    with pytest.raises(InvalidRequest, match="larger than"):
        inputs.leave({"a": base64.b64encode(bytes(BYTES_MAX + 1)).decode()})
    for _ in range(WAITING_MAX):
        inputs.leave({})
    with pytest.raises(Unavailable):
        inputs.leave({})


def test_a_context_is_taken_once_and_is_gone_with_its_build(inputs: Inputs, root: Path) -> None:
    word = inputs.leave_context(io.BytesIO(tar([file("a", b"content"), file(".dockerignore", b"b"), file("b", b"x")])))
    with ExitStack() as held:
        with inputs.take_context(word, held).open() as tree:
            assert (tree.read(b"a", 10), tree.read(b"b", 10)) == (b"content", b"x")
        with pytest.raises(NotFound):
            inputs.take_context(word, held)
    assert not list(root.iterdir())
    with pytest.raises(InvalidRequest):
        inputs.leave_context(io.BytesIO(b"no tar at all"))
    assert not list(root.iterdir())


def test_contexts_are_few_and_forgotten(inputs: Inputs, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [inputs.leave_context(io.BytesIO(tar([file("a", b"")]))) for _ in range(CONTEXTS_MAX)]
    with pytest.raises(Unavailable):
        inputs.leave_context(io.BytesIO(tar([file("a", b"")])))
    monkeypatch.setattr(module, "SECONDS", -1)
    inputs.forget_old()
    assert not list(root.iterdir())
    with ExitStack() as held, pytest.raises(NotFound):
        inputs.take_context(words[0], held)
