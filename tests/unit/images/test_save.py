"""Archives that are written: complete, in docker's shape, and read back the same."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence

import pytest

from sampan.errors import InvalidRequest, NotFound
from sampan.images.images import Images
from sampan.images.save import Segment, save
from sampan.oci.config import parse_config
from sampan.oci.digest import digest_of, encoded_part
from sampan.oci.manifest import Manifest, parse_manifest
from sampan.oci.platform import Platform
from sampan.oci.reference import parse_reference
from unit.images.crafted import config, layer

LAYERS = [layer("a"), layer("b")]
CONFIG = config(LAYERS, config={"Cmd": ["x"]}, unknown={"kept": True})


def make(images: Images, layers: Sequence[bytes], document: bytes, *names: str) -> str:
    """An image; returns its ID."""
    with images.store.lease() as lease:
        for each in layers:
            lease.ingest(io.BytesIO(each))
        return images.store.insert(parse_config(document), [parse_reference(name) for name in names]).id


def members(pieces: Iterator[bytes]) -> dict[str, bytes]:
    """The files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        files = [member for member in archive if member.isfile()]
        return {member.name: archive.extractfile(member).read() for member in files}  # type: ignore[union-attr]


def test_the_archive_is_a_layout_and_a_docker_archive(images: Images) -> None:
    image_id = make(images, LAYERS, CONFIG, "app:1", "me/app:2")
    files = members(images.save(["app:1", "me/app"]))
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/")}
    assert all(name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}" for name, data in blobs.items())
    assert json.loads(files["manifest.json"]) == [
        {
            "Config": f"blobs/sha256/{encoded_part(image_id)}",
            "RepoTags": ["app:1", "me/app:2"],
            "Layers": [f"blobs/sha256/{encoded_part(digest_of(each))}" for each in LAYERS],
        }
    ]
    top = encoded_part(digest_of(LAYERS[-1]))
    assert json.loads(files["repositories"]) == {"app": {"1": top}, "me/app": {"2": top}}
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    named = [entry["annotations"] for entry in json.loads(files["index.json"])["manifests"]]
    assert [name["io.containerd.image.name"] for name in named] == ["docker.io/library/app:1", "docker.io/me/app:2"]
    digest = json.loads(files["index.json"])["manifests"][0]["digest"]
    manifest = parse_manifest(files[f"blobs/sha256/{encoded_part(digest)}"])
    assert isinstance(manifest, Manifest)
    assert manifest.config.digest == image_id
    assert [each.digest for each in manifest.layers] == [digest_of(each) for each in LAYERS]


def test_what_was_saved_is_loaded_the_same(images: Images) -> None:
    first = make(images, LAYERS, CONFIG, "app:1")
    other = config(LAYERS[:1])
    second = make(images, LAYERS[:1], other, "other:1")
    before = images.get("app:1")
    archive = b"".join(images.save(["app:1", second]))
    for image_id in (first, second):
        images.remove(image_id)
    images.load(io.BytesIO(archive))
    after = images.get("app:1")
    assert (after.id, after.layers, after.config.data) == (before.id, before.layers, CONFIG)
    assert images.get(second).repo_tags == [], "it was saved by its ID, so no name went along"
    # A layer that both have is in the archive once.
    assert archive.count(LAYERS[0]) == 1


def test_the_layout_alone_is_enough(images: Images) -> None:
    image_id = make(images, LAYERS, CONFIG, "app:1")
    files = members(images.save(["app:1"]))
    images.remove("app:1")
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, data in files.items():
            if name not in ("manifest.json", "repositories"):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    images.load(io.BytesIO(output.getvalue()))
    assert images.get("app:1").id == image_id


def test_a_bare_name_means_all_its_tags_and_a_tag_only_itself(images: Images) -> None:
    make(images, LAYERS, CONFIG, "app:1", "app:2", "other:1")
    (all_tags,) = json.loads(members(images.save(["app"]))["manifest.json"])
    assert all_tags["RepoTags"] == ["app:1", "app:2"]
    (one,) = json.loads(members(images.save(["app:2"]))["manifest.json"])
    assert one["RepoTags"] == ["app:2"]


def test_the_same_images_make_the_same_archive(images: Images) -> None:
    make(images, LAYERS, CONFIG, "app:1")
    assert b"".join(images.save(["app:1"])) == b"".join(images.save(["app:1"]))


def test_layers_are_parts_of_files_and_pieces_are_small(images: Images) -> None:
    large = layer("x" * (3 << 20))
    make(images, [large], config([large]), "app:1")
    parts = list(save(images.store, ["app:1"]).parts())
    segments = [part for part in parts if isinstance(part, Segment)]
    assert [part.length for part in segments] == [len(large)]
    assert segments[0].path == str(images.store.layers.tar(digest_of(large)))
    pieces = list(images.save(["app:1"]))
    assert max(map(len, pieces)) <= 1 << 20
    assert sum(map(len, pieces)) % 10240 == 0


def test_layers_stay_while_they_are_written(images: Images) -> None:
    make(images, LAYERS, CONFIG, "app:1")
    pieces = images.save(["app:1"])
    start = next(pieces)
    images.remove("app:1")
    assert images.store.layers.has(digest_of(LAYERS[0]))
    assert members(iter([start, *pieces]))
    assert not images.store.layers.has(digest_of(LAYERS[0]))


def test_what_is_not_here_is_said_before_the_first_byte(images: Images) -> None:
    make(images, LAYERS, CONFIG, "app:1")
    make(images, [], config([]), "empty:1")
    with pytest.raises(NotFound, match=r"No such image: nope$"):
        images.save(["app:1", "nope"])
    with pytest.raises(InvalidRequest, match="has no layers"):
        images.save(["empty:1"])
    with pytest.raises(NotFound, match="not for linux/s390x"):
        images.save(["app:1"], platform=Platform("linux", "s390x"))
