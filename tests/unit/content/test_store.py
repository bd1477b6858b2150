"""How blobs lie on disk; what a store promises is in tests/contracts/test_content.py."""

import io
import os
import stat
from pathlib import Path

import pytest

from sampan.content.store import Blobs
from sampan.oci.digest import digest_of, encoded_part


def test_everything_is_the_owners_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        blobs = Blobs(tmp_path / "content")
        blobs.put(io.BytesIO(b"x"))
    finally:
        os.umask(previous)
    for path in [tmp_path / "content", *(tmp_path / "content").rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_a_blob_is_a_file_named_by_its_digest(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put_bytes(b"x")
    assert blobs.path(digest) == tmp_path / "sha256" / encoded_part(digest)
    assert blobs.path(digest).read_bytes() == b"x"


def test_what_a_killed_ingest_left_is_gone_after_a_restart(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put_bytes(b"x")
    (tmp_path / "ingest" / "half").write_bytes(b"half of it")
    assert list(Blobs(tmp_path).digests()) == [digest]
    assert not list((tmp_path / "ingest").iterdir())


def test_a_blob_that_rotted_is_found_out(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put_bytes(b"sound")
    blobs.path(digest).write_bytes(b"rotten")
    assert not blobs.verify(digest)


def test_no_name_is_there_before_the_content_is(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    seen: list[list[str]] = []

    pieces = [b"a", b"b"]

    class Watching:
        def read(self, size: int, /) -> bytes:
            seen.append(list(blobs.digests()))
            return pieces.pop(0) if pieces else b""

    blobs.put(Watching())
    assert seen == [[], [], []]
    assert list(blobs.digests()) == [digest_of(b"ab")]


def test_the_temporary_file_goes_even_when_the_disk_is_full(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)

    class Full:
        def read(self, size: int, /) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        blobs.put(Full())
    assert not list((tmp_path / "ingest").iterdir())
