"""Is any tree removed, and nothing else?"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.linux.remove_tree import remove_tree

NAMES = st.sampled_from(["a", "b", "removed-1", "removed-2", "removed-3"])
TREES = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=5), st.sampled_from(["dir", "file", "link"])), max_size=15
)


@pytest.fixture
def place(tmp_path: Path) -> int:
    """A descriptor of a directory."""
    return os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_any_tree_goes_and_what_links_point_at_stays(entries: list[tuple[list[str], str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        canary = Path(directory, "canary")
        canary.mkdir()
        (canary / "f").touch()
        top = Path(directory, "top")
        top.mkdir()
        for parts, kind in entries:
            path = top.joinpath(*parts)
            if path.parent.resolve() != path.parent or path.exists() or path.is_symlink():
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                continue
            if kind == "dir":
                path.mkdir()
            elif kind == "file":
                path.touch()
            else:
                path.symlink_to(canary)
        above = os.open(directory, os.O_RDONLY)
        remove_tree("top", dir_fd=above)
        os.close(above)
        assert sorted(os.listdir(directory)) == ["canary"] and os.listdir(canary) == ["f"]


def test_a_file_a_link_and_nothing(place: int, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", b"link", "nothing"):
        remove_tree(name, dir_fd=place)
    assert os.listdir(tmp_path) == []


def test_many_and_deep(place: int, tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    for number in range(3000):
        (tmp_path / "top" / f"f{number}").touch()
    below = os.open(tmp_path / "top", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=below)
        deeper = os.open("d", os.O_RDONLY, dir_fd=below)
        os.close(below)
        below = deeper
    os.close(below)
    remove_tree("top", dir_fd=place)
    assert os.listdir(tmp_path) == []
