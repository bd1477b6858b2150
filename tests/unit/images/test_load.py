"""Loading archives: every shape that is in use, and nothing kept of one that is not sound (security.md C17, C18)."""

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard

from sampan.errors import InvalidRequest, NotFound, SampanError
from sampan.images.images import Images
from sampan.oci.digest import digest_of, encoded_part
from sampan.oci.platform import Platform
from unit.images.conftest import opened
from unit.images.crafted import Entry, blob, config, describe, layer, make_tar, oci_layout, old_docker_archive

LAYERS = [layer("a"), layer("b")]
CONFIG = config(LAYERS, config={"Cmd": ["x"]})
ID = digest_of(CONFIG)
OLD = old_docker_archive(LAYERS, CONFIG, ["app:1", "other/app:2"])


def load(images: Images, entries: Mapping[str, Entry], **options: Any) -> list[str]:
    """Load an archive; what docker would print."""
    return load_bytes(images, make_tar(entries), **options)


def load_bytes(images: Images, data: bytes, **options: Any) -> list[str]:
    """Load an archive; what docker would print."""
    told: list[Mapping[str, Any]] = []
    images.load(io.BytesIO(data), told.append, **options)
    return [str(message.get("stream") or message.get("status")) for message in told]


def assert_nothing_is_left(images: Images) -> None:
    """No image, no layer, no blob."""
    assert not images.all()
    assert not list(images.store.layers.diff_ids())
    assert not list(images.store.content.digests())


def test_an_old_docker_archive(images: Images) -> None:
    assert load(images, OLD) == ["Loaded image: app:1\n", "Loaded image: other/app:2\n"]
    image = images.get("app:1")
    assert image.id == ID
    assert image.diff_ids == tuple(digest_of(each) for each in LAYERS)
    assert image.repo_tags == ["app:1", "other/app:2"]
    assert image.config.data == CONFIG
    assert sorted(images.store.layers.diff_ids()) == sorted(image.diff_ids)


def test_manifest_first_or_last_is_the_same(images: Images) -> None:
    load(images, dict(reversed(OLD.items())))
    assert images.get("app:1").id == ID


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress],
    ids=["gzip", "bzip2", "xz", "zstd"],
)
def test_the_archive_and_its_layers_may_be_compressed(images: Images, compress: Callable[[bytes], bytes]) -> None:
    entries = {name: compress(data) if name.endswith("layer.tar") else data for name, data in OLD.items()}
    assert load_bytes(images, compress(make_tar(entries))) == ["Loaded image: app:1\n", "Loaded image: other/app:2\n"]
    assert images.get("app:1").diff_ids == tuple(digest_of(each) for each in LAYERS)
    assert list(images.store.content.digests()) == [ID]


def test_links_within_the_archive_are_followed(images: Images) -> None:
    # Docker's later archives keep blobs, and old names as links to them.
    entries: dict[str, Entry] = {blob(each): each for each in (*LAYERS, CONFIG)}
    entries["v1id0/layer.tar"] = f"../{blob(LAYERS[0])}"
    entry = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["v1id0/layer.tar", "twice"]}
    entries["manifest.json"] = json.dumps([entry]).encode()
    data = make_tar(entries, hard_links={"config.json": blob(CONFIG), "once": blob(LAYERS[1]), "twice": "once"})
    load_bytes(images, data)
    assert images.get("app:1").id == ID


def test_an_image_without_names_is_announced_by_its_id(images: Images) -> None:
    assert load(images, old_docker_archive(LAYERS, CONFIG, None)) == [f"Loaded image ID: {ID}\n"]
    assert images.get(encoded_part(ID)[:6]).repo_tags == []


def test_an_image_of_no_layers_is_an_image(images: Images) -> None:
    empty = config([])
    load(images, old_docker_archive([], empty, ["empty:1"]))
    assert images.get("empty:1").size == 0


def test_a_name_moves_to_the_new_image_and_docker_says_so(images: Images) -> None:
    load(images, OLD)
    other = config([LAYERS[0]])
    told = load(images, old_docker_archive([LAYERS[0]], other, ["app:1"]))
    assert told == [
        f"The image app:1 already exists, renaming the old one with ID {ID} to empty string\n",
        "Loaded image: app:1\n",
    ]
    assert images.get("app:1").id == digest_of(other)
    assert images.get(ID).repo_tags == ["other/app:2"]


def test_loading_twice_changes_nothing(images: Images) -> None:
    load(images, OLD)
    before = images.get("app:1")
    load(images, OLD)
    assert images.get("app:1") == before


def test_progress_is_told_unless_quiet(images: Images) -> None:
    told = load(images, OLD, quiet=False)
    assert told == ["Loading layer", "Loading layer", "Loaded image: app:1\n", "Loaded image: other/app:2\n"]


@pytest.mark.parametrize("compress", [False, True])
def test_an_oci_layout(images: Images, compress: bool) -> None:
    entries = oci_layout(LAYERS, CONFIG, {"io.containerd.image.name": "docker.io/library/app:1"}, compress=compress)
    assert load(images, entries) == ["Loaded image: app:1\n"]
    image = images.get("app:1")
    assert image.id == ID
    assert images.store.content.has(image.manifest)
    # Compressed layers are kept as they came, so that a push can send the same digests back.
    assert len(list(images.store.content.digests())) == (4 if compress else 2)
    images.remove("app:1")
    assert_nothing_is_left(images)


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({"org.opencontainers.image.ref.name": "me/app:2"}, "Loaded image: me/app:2\n"),
        ({"org.opencontainers.image.ref.name": "2"}, f"Loaded image ID: {ID}\n"),
        ({"io.containerd.image.name": "x:1", "org.opencontainers.image.ref.name": "1"}, "Loaded image: x:1\n"),
        ({}, f"Loaded image ID: {ID}\n"),
    ],
)
def test_a_name_in_a_layout_is_a_whole_name(images: Images, annotations: dict[str, str], told: str) -> None:
    assert load(images, oci_layout(LAYERS, CONFIG, annotations)) == [told]


def several_platforms() -> dict[str, Entry]:
    """A layout whose index names an index of two platforms and an attestation."""
    entries: dict[str, Entry] = {}
    described = []
    for architecture in ("amd64", "arm64"):
        layers = [layer(architecture)]
        part = oci_layout(layers, config(layers, architecture=architecture))
        entries |= part
        member = json.loads(part["index.json"] or b"")["manifests"][0]
        described.append(member | {"platform": {"os": "linux", "architecture": architecture}})
    inner = json.dumps({"schemaVersion": 2, "manifests": described}).encode()
    name = {"annotations": {"io.containerd.image.name": "app:1"}}
    index = describe("application/vnd.oci.image.index.v1+json", inner) | name
    attestation = describe("application/vnd.oci.image.manifest.v1+json", b"none") | {
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}
    }
    entries[blob(inner)] = inner
    entries["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [index, attestation]}).encode()
    return entries


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_of_several_platforms_one_is_taken(images: Images, architecture: str) -> None:
    load(images, several_platforms(), platform=Platform("linux", architecture))
    image = images.get("app:1")
    assert image.config.platform.architecture == architecture
    assert list(images.store.layers.diff_ids()) == list(image.diff_ids)


def test_a_platform_that_is_not_there(images: Images) -> None:
    with pytest.raises(InvalidRequest, match="no matching manifest for linux/s390x"):
        load(images, several_platforms(), platform=Platform("linux", "s390x"))
    with pytest.raises(InvalidRequest, match=r"requested platform \(linux/s390x\) is not in the archive"):
        load(images, oci_layout(LAYERS, CONFIG), platform=Platform("linux", "s390x"))
    with pytest.raises(InvalidRequest, match=r"requested platform \(linux/s390x\) is not in the archive"):
        load(images, OLD, platform=Platform("linux", "s390x"))
    assert_nothing_is_left(images)


def test_parents_are_believed_when_the_history_bears_them_out(images: Images) -> None:
    steps = [{"created_by": "one"}, {"created_by": "two"}]
    base, child = config(LAYERS[:1], history=steps[:1]), config(LAYERS, history=steps)
    entries: dict[str, Entry] = {"l0": LAYERS[0], "l1": LAYERS[1], "base": base, "child": child}
    items = [
        {"Config": "child", "RepoTags": ["child:1"], "Layers": ["l0", "l1"], "Parent": digest_of(base)},
        {"Config": "base", "Layers": ["l0"], "Parent": digest_of(child)},
    ]
    load(images, {**entries, "manifest.json": json.dumps(items).encode()})
    assert images.get("child:1").parent == digest_of(base)
    assert images.get(digest_of(base)).parent == ""


def changed(**members: Any) -> dict[str, Entry]:
    """OLD with members of its manifest's only entry changed."""
    entry = json.loads(OLD["manifest.json"] or b"")[0] | members
    return OLD | {"manifest.json": json.dumps([entry]).encode()}


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({}, "neither manifest.json nor index.json"),
        ({"repositories": b"{}"}, "neither manifest.json nor index.json"),
        (OLD | {"manifest.json": b"null"}, "manifest cannot be null"),
        (OLD | {"manifest.json": b"{}"}, "must be a list of objects"),
        (OLD | {"manifest.json": b"[null]"}, "must be an object"),
        (OLD | {"manifest.json": b"[{}]"}, "Config is missing"),
        (OLD | {"manifest.json": b"[" * 10_000}, "nested more than"),
        (OLD | {"manifest.json": b'[{"Config":"a","Config":"b"}]'}, "duplicate key"),
        (changed(Config=1), "Config must be a string"),
        (changed(Config="../../../etc/passwd"), "leads out of it"),
        (changed(Config="/etc/passwd"), "is not in it"),
        (changed(Config="v1id0"), "is not in it"),
        (changed(Config="v1id0/layer.tar"), "is not a document"),
        (changed(Config="v1id0/VERSION"), "image config must be an object"),
        (changed(Config="v1id0/json"), "no RootFS key"),
        (changed(Layers=["v1id0/layer.tar"]), "layers length mismatch: expected 1, got 2"),
        (changed(Layers=["v1id1/layer.tar", "v1id0/layer.tar"]), "invalid diffID for layer 0"),
        (changed(Layers=["../../../../etc/passwd", "x"]), "leads out of it"),
        (changed(Layers=["gone", "v1id1/layer.tar"]), "layer 'gone' is not in it"),
        (changed(Layers=["config.json", "v1id1/layer.tar"]), "is not a tar"),
        (changed(Layers="v1id0/layer.tar"), "Layers must be a list of strings"),
        (changed(RepoTags=["UPPER:1"]), "must be lowercase"),
        (changed(RepoTags=["app"]), 'invalid tag "app"'),
        (changed(RepoTags=[f"app@{ID}"]), "invalid tag"),
        (changed(RepoTags=["../x:1"]), "invalid reference format"),
        (changed(Parent="../x"), "is no image ID"),
        (OLD | {"config.json": config(LAYERS, os="windows")}, "cannot load windows image on linux"),
        (OLD | {"config.json": "../../../etc/passwd"}, "leads out of it"),
        (OLD | {"config.json": "/etc/passwd"}, "is not in it"),
        (OLD | {"config.json": "config.json"}, "is not in it"),
        (OLD | {"v1id0/layer.tar": "../v1id1/layer.tar"}, "invalid diffID for layer 0"),
        (OLD | {"v1id0/layer.tar": layer("changed")}, "invalid diffID for layer 0"),
        (OLD | {"../escape": b"x"}, "leads out of it"),
        (OLD | {blob(b"x"): b"y"}, "has digest"),
        (OLD | {blob(b"x"): layer("z")}, "layer verification failed"),
        (OLD | {"v1id0/layer.tar": make_tar({"../../etc/cron.d/x": b"x"})}, "is outside of the layer"),
        (OLD | {"v1id0/layer.tar": LAYERS[0][:700]}, "unexpected end"),
    ],
)
def test_an_archive_that_is_not_sound_leaves_nothing(
    images: Images, entries: Mapping[str, Entry], problem: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load(images, entries)
    assert problem in str(caught.value)
    assert_nothing_is_left(images)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"index.json": b"{}"}, "schemaVersion"),
        ({"index.json": CONFIG}, "schemaVersion"),
        ({blob(CONFIG): None}, "is not in it"),
        ({blob(LAYERS[0]): None}, "is not in it"),
        ({blob(LAYERS[0]): CONFIG}, "has digest"),
    ],
)
def test_a_layout_that_is_not_sound_leaves_nothing(images: Images, entries: Mapping[str, Entry], problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load(images, oci_layout(LAYERS, CONFIG) | entries)
    assert problem in str(caught.value)
    assert_nothing_is_left(images)


def test_a_manifest_is_what_its_descriptor_says(images: Images) -> None:
    sound, other = oci_layout(LAYERS, CONFIG), oci_layout(LAYERS[:1], config(LAYERS[:1]))
    path = blob_of_manifest(sound)
    del sound[path]
    swapped = other | sound | {path: f"../../{blob_of_manifest(other)}"}
    with pytest.raises(InvalidRequest, match="other content than its name says"):
        load(images, swapped)
    assert_nothing_is_left(images)


def blob_of_manifest(entries: Mapping[str, Entry]) -> str:
    """The path of a layout's only manifest."""
    digest = json.loads(entries["index.json"] or b"")["manifests"][0]["digest"]
    return f"blobs/sha256/{encoded_part(digest)}"


def test_wherever_an_archive_is_cut_nothing_is_left(images: Images) -> None:
    data = make_tar(OLD)
    end = data.rindex(b"manifest.json")
    for size in range(0, end, 800):
        with pytest.raises(InvalidRequest):
            load_bytes(images, data[:size])
        assert_nothing_is_left(images)


def test_wherever_a_bit_flips_it_is_loaded_whole_or_refused(images: Images) -> None:
    data = make_tar(OLD)
    for position in range(0, len(data), 397):
        flipped = data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]
        try:
            load_bytes(images, flipped)
        except SampanError:
            pass
        for image in images.all():
            # Names and the config are not covered by a digest in this format, but layers are.
            assert set(image.diff_ids) <= set(images.store.layers.diff_ids())
            assert all(images.store.layers.verify(diff_id) for diff_id in image.diff_ids)
            images.remove(image.id, force=True)
        assert_nothing_is_left(images)


def test_a_failure_keeps_what_was_there(images: Images) -> None:
    load(images, OLD)
    before = images.get("app:1")
    with pytest.raises(InvalidRequest):
        load(images, OLD | {"v1id0/layer.tar": layer("changed")})
    assert images.get("app:1") == before
    assert all(images.store.layers.has(diff_id) for diff_id in before.diff_ids)


def test_documents_may_not_fill_memory(images: Images) -> None:
    entries: dict[str, Entry] = {f"padding{number}": b"x" * (4 << 20) for number in range(17)}
    with pytest.raises(InvalidRequest, match="documents are too large"):
        load(images, entries)


def test_an_unknown_image_is_not_found_after_all(images: Images) -> None:
    with pytest.raises(NotFound, match="No such image: app:latest"):
        images.get("app")


def killed_at(step: int, root: Path, work: Callable[[Images], None]) -> bool:
    """Do the work in a child that is killed at its n-th step towards the disk; returns whether it came to its end."""
    child = os.fork()
    if child == 0:
        left = step

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def one_step(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **options)

            return one_step

        os.fsync, os.rename, os.unlink = counted(os.fsync), counted(os.rename), counted(os.unlink)
        try:
            with opened(root) as images:
                work(images)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0


def test_killed_at_any_step_an_image_is_whole_or_not_there(tmp_path: Path) -> None:
    archive = make_tar(OLD)
    # The database writes by itself; what it does between two of our steps is SQLite's to keep whole.
    for step in range(1, 100):
        root = tmp_path / str(step)
        root.mkdir()
        finished = killed_at(step, root, lambda images: images.load(io.BytesIO(archive)) and None)
        with opened(root) as images:
            images.sweep()
            assert bool(images.all()) or not finished
            for image in images.all():
                assert images.store.content.verify(image.id)
                assert all(images.store.layers.verify(diff_id) for diff_id in image.diff_ids)
                images.remove(image.id, force=True)
            assert_nothing_is_left(images)
            assert not list((root / "content" / "ingest").iterdir())
        if finished:
            return
    raise AssertionError("more steps than expected")


def test_killed_at_any_step_of_its_removal_an_image_is_whole_or_gone(tmp_path: Path) -> None:
    archive = make_tar(OLD)
    for step in range(1, 100):
        root = tmp_path / str(step)
        root.mkdir()
        with opened(root) as images:
            images.load(io.BytesIO(archive))
        finished = killed_at(step, root, lambda images: images.remove(ID, force=True) and None)
        with opened(root) as images:
            images.sweep()
            for image in images.all():
                assert all(images.store.layers.verify(diff_id) for diff_id in image.diff_ids)
                images.remove(image.id, force=True)
            assert_nothing_is_left(images)
        if finished:
            return
    raise AssertionError("more steps than expected")
