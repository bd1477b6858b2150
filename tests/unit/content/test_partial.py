"""A blob that comes in by pieces, and breaks off in between."""

import os
from pathlib import Path

import pytest

from sampan.content.partial import expire
from sampan.content.store import Blobs
from sampan.errors import InvalidRequest, Unavailable
from sampan.oci.digest import digest_of

DATA = os.urandom(3 << 20)
DIGEST = digest_of(DATA)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path)


def left(tmp_path: Path) -> list[str]:
    return [each.name for each in (tmp_path / "partial").iterdir()]


def test_it_is_gone_on_with_and_becomes_a_blob(blobs: Blobs, tmp_path: Path) -> None:
    first = blobs.partial(DIGEST, len(DATA))
    first.write(DATA[:1000])
    first.write(DATA[1000:2_000_000])
    first.close()
    second = Blobs(tmp_path).partial(DIGEST, len(DATA))
    assert second.found == 2_000_000
    replayed = b"".join(iter(second.replay, b""))
    assert replayed == DATA[:2_000_000]
    second.write(DATA[2_000_000:])
    assert not blobs.has(DIGEST)
    blobs.commit(second)
    second.close()
    assert blobs.verify(DIGEST)
    assert left(tmp_path) == []


def test_other_bytes_are_not_kept(blobs: Blobs, tmp_path: Path) -> None:
    partial = blobs.partial(DIGEST, len(DATA))
    partial.write(b"x" * len(DATA))
    with pytest.raises(InvalidRequest, match="verification failed"):
        blobs.commit(partial)
    partial.close()
    assert not blobs.has(DIGEST)
    assert left(tmp_path) == []


def test_fewer_and_more_bytes_are_refused(blobs: Blobs) -> None:
    partial = blobs.partial(DIGEST, len(DATA))
    partial.write(DATA)
    with pytest.raises(InvalidRequest, match="longer than"):
        partial.write(b"x")
    partial.close()
    partial = blobs.partial(digest_of(b"abc"), 3)
    partial.write(b"ab")
    with pytest.raises(InvalidRequest, match="has 2 bytes, expected 3"):
        partial.verify()
    partial.close()


def test_it_has_one_writer(blobs: Blobs) -> None:
    first = blobs.partial(DIGEST, len(DATA))
    with pytest.raises(Unavailable, match="by somebody else"):
        blobs.partial(DIGEST, len(DATA))
    first.close()
    blobs.partial(DIGEST, len(DATA)).close()


def test_what_nobody_comes_back_for_expires(blobs: Blobs, tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        partial = blobs.partial(digest_of(data), 3)
        partial.write(data)
        partial.close()
    old = tmp_path / "partial" / digest_of(b"old").replace(":", "-")
    os.utime(old, (1, 1))
    assert expire(tmp_path / "partial") > 0
    assert left(tmp_path) == [digest_of(b"new").replace(":", "-")]
    busy = blobs.partial(digest_of(b"new"), 3)
    assert expire(tmp_path / "partial", older_than=-1) == 0
    busy.close()
