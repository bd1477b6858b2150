"""Where are the rows of every noun kept, and when is a change safe?

One SQLite file in WAL mode (https://www.sqlite.org/wal.html). What a commit survives:

    durable=True    kill -9 and power loss: the write-ahead log is fsynced before commit returns (synchronous=FULL)
    durable=False   kill -9; power loss may take the last few, but never tears or reorders them (synchronous=NORMAL)

Facts that a reboot makes false anyway (a pid, "running") are written with durable=False: no fsync on the start path.
A durable commit also makes every earlier commit durable, because all share one log.

Writers take turns on one connection. Readers use a second one, so that no reader waits for somebody's fsync.
Each package that has rows brings its own schema, a script of `CREATE … IF NOT EXISTS`.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sampan.errors import Unavailable

Value = str | bytes | int | float | None
"""What a column can hold."""


class Database:
    """Transactions on one SQLite file; may be used from any thread."""

    def __init__(self, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._synchronous = ""

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Cursor]:
        """All of the block's changes, or none of them when it raises.

        Raises sqlite3.IntegrityError where a constraint forbids a change: the caller knows which sentence that means.
        Raises Unavailable when the disk does not take it.
        """
        with self._writing, closing(self._writer.cursor()) as cursor:
            self._promise("FULL" if durable else "NORMAL")
            try:
                # IMMEDIATE: the write lock is taken now, not at the first change: no block fails halfway for it.
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException as error:
                # A COMMIT that failed for lack of space leaves the transaction open; SQLite may also have ended it.
                if self._writer.in_transaction:
                    cursor.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise Unavailable(f"the engine cannot write its database: {error}") from error
                raise

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[sqlite3.Row]:
        """All rows of one SELECT over what has been committed so far."""
        with self._reading:
            return self._reader.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Fold the log into the database and let go of the files."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    def _promise(self, level: str) -> None:
        if level != self._synchronous:  # the pragma has no effect inside a transaction, so it goes before BEGIN
            self._writer.execute(f"PRAGMA synchronous={level}")
            self._synchronous = level


def open_database(path: Path, schemas: Sequence[str]) -> Database:
    """Open the database at `path`, making it (mode 0600) and the tables of `schemas` where they are missing."""
    _create_private(path)
    writer = _connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    for schema in schemas:
        writer.executescript(schema)
    return Database(writer, _connect(path))


def _connect(path: Path) -> sqlite3.Connection:
    # isolation_level=None: this module says BEGIN and COMMIT itself; the default would begin late and commit behind it.
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


def _create_private(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives its log and index files the same mode."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # the name itself must survive power loss, or the rows in the file do not
    finally:
        os.close(directory)
