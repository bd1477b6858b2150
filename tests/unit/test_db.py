"""Does the database keep what it promised, and nothing of what failed?"""

import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from sampan.db import Database, open_database
from sampan.errors import Unavailable

SCHEMA = "CREATE TABLE IF NOT EXISTS thing (name TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT;"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "sampan.db", [SCHEMA])


def test_a_committed_row_is_seen_by_readers_and_after_reopening(tmp_path: Path, database: Database) -> None:
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO thing VALUES (?, ?)", ("a", 1))
    assert [tuple(row) for row in database.query("SELECT * FROM thing")] == [("a", 1)]
    database.close()
    again = open_database(tmp_path / "sampan.db", [SCHEMA])
    assert again.query("SELECT size FROM thing WHERE name = ?", ("a",))[0]["size"] == 1


def test_a_block_that_raises_changes_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.transaction() as cursor:
        cursor.execute("INSERT INTO thing VALUES ('a', 1)")
        raise RuntimeError
    assert database.query("SELECT * FROM thing") == []


def test_a_broken_constraint_undoes_the_whole_block_and_the_next_works(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as cursor:
        cursor.execute("INSERT INTO thing VALUES ('a', 1)")
        cursor.execute("INSERT INTO thing VALUES ('a', 2)")
    with database.transaction(durable=False) as cursor:
        cursor.execute("INSERT INTO thing VALUES ('a', 3)")
    assert database.query("SELECT size FROM thing")[0][0] == 3


def test_a_disk_that_takes_nothing_is_explained_and_the_next_block_works(database: Database) -> None:
    database._writer.execute("PRAGMA query_only=ON")
    with pytest.raises(Unavailable, match="cannot write its database"), database.transaction() as cursor:
        cursor.execute("INSERT INTO thing VALUES ('a', 1)")
    database._writer.execute("PRAGMA query_only=OFF")
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO thing VALUES ('a', 1)")


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_durable_is_synchronous_full(database: Database, durable: bool, level: int) -> None:
    with database.transaction(durable=not durable):
        pass
    with database.transaction(durable=durable) as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone()[0] == level


def test_all_files_are_private(tmp_path: Path, database: Database) -> None:
    before = os.umask(0)
    try:
        with database.transaction() as cursor:
            cursor.execute("INSERT INTO thing VALUES ('a', 1)")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes) == {"sampan.db", "sampan.db-wal", "sampan.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_reader_does_not_wait_for_an_open_transaction(database: Database) -> None:
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO thing VALUES ('a', 1)")
        seen: list[int] = []
        reader = threading.Thread(target=lambda: seen.append(len(database.query("SELECT * FROM thing"))))
        reader.start()
        reader.join(timeout=10)
        assert seen == [0]


def test_threads_take_turns(database: Database) -> None:
    def add(name: str) -> None:
        for number in range(20):
            with database.transaction(durable=False) as cursor:
                cursor.execute("INSERT INTO thing VALUES (?, ?)", (f"{name}{number}", number))

    threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.query("SELECT count(*) FROM thing")[0][0] == 80
