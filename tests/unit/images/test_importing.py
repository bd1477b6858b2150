"""A tar becomes an image."""

import gzip
import io

import pytest

from sampan.errors import InvalidRequest
from sampan.images.images import Images
from sampan.oci.digest import digest_of
from sampan.oci.platform import Platform, host_platform
from unit.images.crafted import layer, make_tar

LAYER = layer("a")


def test_the_tar_is_the_only_layer(images: Images) -> None:
    told: list[object] = []
    image = images.import_tar(io.BytesIO(LAYER), "app", "1", message="Imported from -", emit=told.append)
    assert told == [{"status": image.id}]
    assert images.get("app:1") == image
    assert image.diff_ids == (digest_of(LAYER),)
    assert image.size == 1
    assert image.config.platform == host_platform()
    assert image.config.comment == "Imported from -"
    assert [step.comment for step in image.config.history] == ["Imported from -"]
    assert image.config.history[0].created == image.created
    assert image.tagged_ns > 0


def test_a_compressed_tar_is_the_same_layer(images: Images) -> None:
    image = images.import_tar(io.BytesIO(gzip.compress(LAYER)), "app")
    assert image.diff_ids == (digest_of(LAYER),)
    assert image.repo_tags == ["app:latest"]


def test_a_name_is_not_needed(images: Images) -> None:
    image = images.import_tar(io.BytesIO(LAYER))
    assert images.get(image.id[7:19]).repo_tags == []


def test_changes_and_platform_become_the_config(images: Images) -> None:
    changes = ['CMD ["x"]', "ENV A=b"]
    image = images.import_tar(io.BytesIO(LAYER), changes=changes, platform=Platform("linux", "arm", "v7"))
    assert image.config.run.cmd == ("x",)
    assert image.config.run.env == ("A=b",)
    assert str(image.config.platform) == "linux/arm/v7"


@pytest.mark.parametrize(
    ("data", "repository", "changes", "problem"),
    [
        (b"no tar at all" * 100, "", [], "invalid tar header"),
        (LAYER[:600], "", [], "unexpected end"),
        (gzip.compress(LAYER, mtime=0)[:-5], "", [], "unexpected end of the gzip data"),
        (make_tar({"../x": b""}), "", [], "is outside of the layer"),
        (LAYER, "FOO", [], "must be lowercase"),
        (LAYER, f"app@{digest_of(b'')}", [], "cannot import digest reference"),
        (LAYER, "", ["RUN x"], "run is not a valid change command"),
    ],
)
def test_what_cannot_become_an_image_leaves_nothing(
    images: Images, data: bytes, repository: str, changes: list[str], problem: str
) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        images.import_tar(io.BytesIO(data), repository, changes=changes)
    assert not images.all()
    assert not list(images.store.layers.diff_ids())


def test_a_wrong_instruction_is_refused_before_the_upload(images: Images) -> None:
    class Unread:
        def read(self, size: int, /) -> bytes:
            raise AssertionError("nothing should be read")

    with pytest.raises(InvalidRequest):
        images.import_tar(Unread(), changes=["RUN x"])
    with pytest.raises(InvalidRequest, match='operating system "windows" is not supported'):
        images.import_tar(Unread(), platform=Platform("windows", "amd64"))
