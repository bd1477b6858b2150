"""Where does a copy go, and under which name? Docker's table of cases."""

import pytest

from sampan.cli.command import Failure
from sampan.cli.copy_paths import End, plan, split


@pytest.mark.parametrize(
    ("source", "is_directory", "destination", "there", "into", "member", "becomes"),
    [
        ("/x/f", False, "/d", "directory", "/d", "f", "f"),
        ("/x/f", False, "/d/g", "file", "/d", "f", "g"),
        ("/x/f", False, "/d/g", "", "/d", "f", "g"),
        ("/x/s", True, "/d", "directory", "/d", "s/a", "s/a"),
        ("/x/s", True, "/d/t", "", "/d", "s/a", "t/a"),
        ("/x/s/.", True, "/d/t", "", "/d", "./a", "t/a"),
        ("/x/s/.", True, "/d", "directory", "/d", "./a", "./a"),
        ("/", True, "/d/t", "", "/d", "/bin/a", "t/bin/a"),
        ("s", True, "t", "", ".", "s", "t"),
    ],
)
def test_where_things_go(
    source: str, is_directory: bool, destination: str, there: str, into: str, member: str, becomes: str
) -> None:
    end = End(destination, exists=bool(there), is_directory=there == "directory")
    directory, rename = plan(End(source, is_directory=is_directory), end)
    assert (directory, rename(member)) == (into, becomes)


@pytest.mark.parametrize(
    ("source", "is_directory", "destination", "there", "sentence"),
    [
        ("s", True, "f", "file", "cannot copy directory"),
        ("f", False, "new/", "", "no such directory"),
        ("f", False, "new/.", "", "no such directory"),
    ],
)
def test_what_cannot_be_copied(source: str, is_directory: bool, destination: str, there: str, sentence: str) -> None:
    with pytest.raises(Failure, match=f"^{sentence}$"):
        plan(End(source, is_directory=is_directory), End(destination, exists=bool(there)))


@pytest.mark.parametrize(
    ("path", "parts"),
    [("/a/b", ("/a", "b")), ("/a/b/", ("/a", "b")), ("/a/.", ("/a", ".")), ("a", (".", "a")), ("/", ("/", "/"))],
)
def test_a_path_in_two(path: str, parts: tuple[str, str]) -> None:
    assert split(path) == parts
