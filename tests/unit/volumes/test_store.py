"""Are volumes what their rows say, whatever happens in between?"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.db import Database, open_database
from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.events import Events
from sampan.volumes import rows
from sampan.volumes.store import SCHEMA, Volumes
from sampan.volumes.volume import Volume


class Daemons:
    """Daemons that come and go on one data root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events = Events()
        self.databases: list[Database] = []
        self.begin()

    def begin(self) -> "Daemons":
        self.database = open_database(self.root / "db", [SCHEMA])
        self.databases.append(self.database)
        self.volumes = Volumes(self.database, self.root / "volumes", self.root / "run", events=self.events)
        return self

    def names(self) -> list[str]:
        return [volume.name for volume in self.volumes.all()]


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    made = Daemons(tmp_path)
    yield made
    for database in made.databases:
        database.close()


def write(daemons: Daemons, name: str, text: str) -> None:
    (daemons.volumes.mountpoint(name) / "f").write_text(text)


def read(daemons: Daemons, name: str) -> str:
    return (daemons.volumes.mountpoint(name) / "f").read_text()


def test_a_volume_that_exists_is_taken_as_it_is(daemons: Daemons) -> None:
    first = daemons.volumes.create("data", labels={"a": "b"})
    write(daemons, "data", "kept")
    assert daemons.volumes.create("data", labels={"c": "d"}) == first
    assert read(daemons, "data") == "kept"
    assert daemons.begin().volumes.get("data") == first


def test_what_is_held_does_not_go(daemons: Daemons) -> None:
    daemons.volumes.create("data", holder="one")
    daemons.volumes.hold("data", "two")
    daemons.volumes.release(["data", "nosuch"], "one")
    with pytest.raises(Conflict, match=r"^remove data: volume is in use - \[two\]$"):
        daemons.volumes.remove("data")
    with pytest.raises(Conflict, match=r"^rename data: volume is in use - \[two\]$"):
        daemons.volumes.rename("data", "other")
    daemons.volumes.release(["data"], "two")
    write(daemons, "data", "1234")
    assert daemons.volumes.remove("data") == 4
    with pytest.raises(NotFound, match=r"^get data: no such volume$"):
        daemons.volumes.remove("data")
    assert daemons.volumes.remove("data", force=True) == 0
    assert os.listdir(daemons.root / "volumes") == []


def test_a_removal_that_was_cut_short_is_finished(daemons: Daemons) -> None:
    daemons.volumes.create("data")
    os.rename(daemons.root / "volumes/data", daemons.root / "volumes/.doomed-data-0123456789abcdef")
    assert daemons.begin().names() == []
    assert os.listdir(daemons.root / "volumes") == []


def test_a_rename_that_was_cut_short_is_finished(daemons: Daemons) -> None:
    daemons.volumes.create("old", labels={"a": "b"})
    write(daemons, "old", "kept")
    rows.rename(daemons.database, "old", "new")
    assert daemons.begin().names() == ["new"]
    assert read(daemons, "new") == "kept"
    os.rename(daemons.root / "volumes/new", daemons.root / "volumes/newer")
    rows.rename(daemons.database, "new", "newer")
    assert daemons.begin().names() == ["newer"]
    assert read(daemons, "newer") == "kept"
    assert daemons.volumes.get("newer").labels == {"a": "b"}


def test_nobodys_data_is_taken_up_and_a_missing_directory_made(daemons: Daemons) -> None:
    daemons.volumes.create("data")
    os.rename(daemons.root / "volumes/data", daemons.root / "volumes/found")
    (daemons.root / "volumes/no volume").mkdir()
    assert daemons.begin().names() == ["data", "found"]
    assert daemons.volumes.mountpoint("data").is_dir()
    assert (daemons.root / "volumes/no volume").is_dir()


def test_a_row_that_was_written_without_its_directory_gets_it(daemons: Daemons) -> None:
    rows.insert(daemons.database, Volume(name="data", created_ns=1))
    assert daemons.begin().volumes.mountpoint("data").stat().st_mode & 0o7777 == 0o755
    assert daemons.volumes.mountpoint("data").parent.stat().st_mode & 0o7777 == 0o700


def test_a_clone_is_whole_or_not_there(daemons: Daemons) -> None:
    daemons.volumes.create("data", labels={"a": "b"})
    write(daemons, "data", "x")
    assert daemons.volumes.clone("data", "copy").labels == {"a": "b"}
    write(daemons, "data", "y")
    assert read(daemons, "copy") == "x"
    with pytest.raises(Conflict, match="a volume called copy exists"):
        daemons.volumes.clone("data", "copy")
    with pytest.raises(ZeroDivisionError), daemons.volumes.staged("half") as data:
        os.mkdir("d", dir_fd=data)
        raise ZeroDivisionError
    assert daemons.begin().names() == ["copy", "data"]
    assert sorted(os.listdir(daemons.root / "volumes")) == ["copy", "data"]


def test_only_an_empty_volume_that_nobody_holds_is_filled(daemons: Daemons) -> None:
    daemons.volumes.create("empty")
    with daemons.volumes.staged("empty") as data:
        os.mkdir("d", dir_fd=data)
    assert os.listdir(daemons.volumes.mountpoint("empty")) == ["d"]
    with pytest.raises(Conflict, match="is not empty"), daemons.volumes.staged("empty"):
        pass
    daemons.volumes.create("held", holder="one")
    with pytest.raises(Conflict, match="is in use"), daemons.volumes.staged("held"):
        pass
    daemons.volumes.create("raced")
    with pytest.raises(Conflict, match="is not empty"), daemons.volumes.staged("raced"):
        write(daemons, "raced", "meanwhile")
    assert read(daemons, "raced") == "meanwhile"


def test_names_are_bounded(daemons: Daemons) -> None:
    for name in ("a", "../x", "a/b", ".x", "x" * 256, "é1", "a\n", "a\0b"):
        with pytest.raises(InvalidRequest, match=r"^create "):
            daemons.volumes.create(name)
    assert len(daemons.volumes.create("").name) == 64
    assert len(os.listdir(daemons.root / "volumes")) == 1
