"""What every store of blobs promises, whatever it is made of."""

import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.content.store import Blobs
from sampan.errors import InvalidRequest, NotFound
from sampan.oci.digest import digest_of


class Trickle:
    """A stream that gives little at a time, and may break."""

    def __init__(self, data: bytes, step: int, *, breaks: bool = False) -> None:
        self._file = io.BytesIO(data)
        self._step = step
        self._breaks = breaks

    def read(self, size: int, /) -> bytes:
        data = self._file.read(min(size, self._step))
        if self._breaks and not data:
            raise ConnectionResetError("gone")
        return data


class BlobsContract:
    """The promises; a subclass makes the store."""

    def make(self, root: Path) -> Blobs:
        raise AssertionError("a subclass makes the store")

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Blobs:
        return self.make(tmp_path / "content")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(data=st.binary(max_size=300), step=st.integers(1, 100))
    def test_what_goes_in_comes_out_under_its_digest(self, blobs: Blobs, data: bytes, step: int) -> None:
        digest, size = blobs.put(Trickle(data, step))
        assert (digest, size) == (digest_of(data), len(data))
        assert blobs.has(digest)
        assert blobs.size(digest) == len(data)
        assert blobs.read(digest) == data
        assert blobs.verify(digest)
        assert digest in set(blobs.digests())

    def test_sha512_is_a_digest_too(self, blobs: Blobs) -> None:
        expected = "sha512:" + hashlib.sha512(b"x").hexdigest()
        assert blobs.put(io.BytesIO(b"x"), expected) == (expected, 1)
        assert blobs.verify(expected)

    @pytest.mark.parametrize(
        ("digest", "size", "problem"),
        [
            (digest_of(b"other"), None, "content has digest"),
            (digest_of(b"data"), 3, "longer than its 3 bytes"),
            (digest_of(b"data"), 5, "content has 4 bytes, expected 5"),
            ("sha256:../../x", None, "invalid checksum digest"),
        ],
    )
    def test_content_that_is_not_what_was_expected_is_not_kept(
        self, blobs: Blobs, digest: str, size: int | None, problem: str
    ) -> None:
        with pytest.raises(InvalidRequest, match=problem):
            blobs.put(io.BytesIO(b"data"), digest, size)
        assert not list(blobs.digests())

    def test_a_stream_that_breaks_leaves_nothing(self, blobs: Blobs) -> None:
        with pytest.raises(ConnectionResetError):
            blobs.put(Trickle(b"data", 1, breaks=True))
        assert not list(blobs.digests())

    def test_the_same_content_twice_is_one_blob(self, blobs: Blobs) -> None:
        assert blobs.put(io.BytesIO(b"x")) == blobs.put(io.BytesIO(b"x"))
        assert blobs.put_bytes(b"x") == digest_of(b"x")
        assert list(blobs.digests()) == [digest_of(b"x")]

    def test_what_was_removed_is_not_found(self, blobs: Blobs) -> None:
        digest = blobs.put_bytes(b"x")
        blobs.remove(digest)
        blobs.remove(digest)
        assert not blobs.has(digest)
        for ask in (blobs.size, blobs.read, blobs.open, blobs.verify):
            with pytest.raises(NotFound, match=f"content {digest} not found"):
                ask(digest)


class TestBlobs(BlobsContract):
    """The store on disk."""

    def make(self, root: Path) -> Blobs:
        return Blobs(root)
