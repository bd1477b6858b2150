"""Is content that is in use ever collected, or mixed up, when many work on it at the same time?"""

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sampan.content.store import Blobs
from sampan.db import open_database
from sampan.errors import Conflict, InvalidRequest, NotFound, Unavailable
from sampan.images import compressed, rows
from sampan.images.commit import Step
from sampan.images.images import Images
from sampan.images.verify import verify
from sampan.layers.store import Layers
from sampan.oci.digest import digest_of
from sampan.oci.reference import parse_reference
from sampan.wire.filters import Filters
from unit.images.crafted import config, layer, make_tar, old_docker_archive

SECONDS = 2.5
EVERYTHING = Filters({"dangling": ("false",)})


def together(*works: Callable[[], None]) -> list[BaseException]:
    """Do each over and over for a while, at the same time; what they raised that they may not."""
    raised: list[BaseException] = []
    end = time.monotonic() + SECONDS

    def repeat(work: Callable[[], None]) -> None:
        while time.monotonic() < end and not raised:
            try:
                work()
            except (NotFound, Conflict, Unavailable):
                continue  # somebody else was faster: said, and nothing is broken
            except BaseException as error:
                raised.append(error)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_collection_takes_nothing_that_is_in_use(tmp_path: Path) -> None:
    """C23: images are loaded, imported, committed, tagged and removed while others prune, all of the same layers."""
    database = open_database(tmp_path / "sampan.db", [rows.SCHEMA, compressed.SCHEMA])
    layers = Layers(tmp_path / "layers", tmp_path / "run", backend="erofs")
    images = Images(database, Blobs(tmp_path / "content"), layers)
    shared = [layer("shared"), layer("own")]
    archive = make_tar(old_docker_archive(shared, config(shared), ["loaded:latest"]))
    upper = tmp_path / "upper"
    (upper / "d").mkdir(parents=True)
    (upper / "d" / "f").write_bytes(b"changed")

    def commit() -> None:
        step = Step(config={"Cmd": ["sh"]}, created_ns=time.time_ns())
        images.commit(images.get("loaded").id, upper, step, parse_reference("made"))

    def listed() -> None:
        for image in images.all():
            for diff_id in image.diff_ids:
                if not layers.has(diff_id):
                    assert images.by_id(image.id) is None, "an image is listed whose layer is gone"

    raised = together(
        lambda: [None for _ in images.load(io.BytesIO(archive))] and None,
        lambda: images.import_tar(io.BytesIO(shared[0]), "imported") and None,
        commit,
        lambda: images.remove("loaded") and None,
        lambda: images.prune(EVERYTHING) and None,
        listed,
    )
    assert not raised
    assert all(finding.is_sound for finding in verify(images.store, images.all()))
    for _ in range(5):
        images.prune(EVERYTHING)
    assert not images.all()
    assert not layers.diff_ids()
    assert not list(images.store.content.digests())
    layers.close()
    database.close()


def test_a_blob_that_many_write_is_one_of_them(tmp_path: Path) -> None:
    """C22: good and bad copies of the same blob come in at the same time; what is there has its digest."""
    content = Blobs(tmp_path)
    good = b"good" * 50_000
    digest = digest_of(good)

    class Slow(io.BytesIO):
        """Comes in small pieces."""

        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 4096, 4096))

    def put(data: bytes) -> None:
        try:
            content.put(Slow(data), digest)
            assert data == good
        except InvalidRequest:
            assert data != good

    def check() -> None:
        assert not content.has(digest) or content.verify(digest)

    bad = [good[:-1], good + b"x", b"evil" * 50_000]
    raised = together(*(lambda data=data: put(data) for data in [good, good, *bad]), check, check)  # type: ignore[misc]
    assert not raised
    assert content.read(digest) == good
    assert not list((tmp_path / "ingest").iterdir())
