"""A writable tree becomes an image on top of another."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from sampan.errors import InvalidRequest, NotFound
from sampan.images.commit import EMPTY_LAYER, Step, child
from sampan.images.images import Images
from sampan.oci.config import parse_config
from sampan.oci.digest import digest_of
from sampan.oci.reference import parse_reference
from unit.images.conftest import Recorder
from unit.images.crafted import layer

STEP = Step(config={"Cmd": ["sh"], "Labels": None}, created_by="sh -c x", author="me", comment="why", created_ns=10**18)


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """A container's changes, and the places that the engine made for its mounts."""
    top = tmp_path / "upper"
    for path in ("dev", "proc", "sys", "etc", "data"):
        (top / path).mkdir(parents=True)
    for name in ("hosts", "hostname", "resolv.conf"):
        (top / "etc" / name).touch()
        (top / "etc" / name).chmod(0o755)
    return top


def names(images: Images, diff_id: str) -> list[str]:
    with tarfile.open(images.store.layers.tar(diff_id)) as tar:
        return tar.getnames()


def test_the_layer_holds_the_changes_and_not_the_engines_mount_points(images: Images, upper: Path) -> None:
    parent = images.import_tar(io.BytesIO(layer()), "app", "1")
    (upper / "data" / "file").write_bytes(b"12345")
    image = images.commit(parent.id, upper, STEP, parse_reference("app:2"))
    assert image.diff_ids[:-1] == parent.diff_ids
    assert names(images, image.diff_ids[-1]) == ["data", "data/file"]
    assert (image.size, image.parent, image.repo_tags) == (parent.size + 5, parent.id, ["app:2"])
    step = image.config.history[-1]
    assert (step.created_by, step.author, step.comment, step.empty_layer) == ("sh -c x", "me", "why", False)
    assert len(image.config.history) == len(parent.config.history) + 1
    assert images.inspect("app:2")["Comment"] == "why"


def test_a_mount_point_that_was_changed_is_the_containers(images: Images, upper: Path) -> None:
    (upper / "etc" / "hosts").write_bytes(b"mine")
    (upper / "sys").chmod(0o700)
    (upper / "proc" / "x").touch()
    (upper / "data").rmdir()
    image = images.commit("", upper, STEP, None)
    assert names(images, image.diff_ids[0]) == ["etc", "etc/hosts", "proc", "proc/x", "sys"]


def test_no_change_is_no_layer(images: Images, upper: Path) -> None:
    assert digest_of(bytes(1024)) == EMPTY_LAYER
    parent = images.import_tar(io.BytesIO(layer()), "app", "1")
    (upper / "data").rmdir()
    for tree in (upper, None):
        image = images.commit(parent.id, tree, STEP, None)
        assert image.diff_ids == parent.diff_ids
        assert image.config.history[-1].empty_layer
    images.remove("app:1", force=True)
    assert images.history(image.id)[0]["Size"] == 0


def test_what_no_layer_can_hold_leaves_nothing(images: Images, upper: Path) -> None:
    (upper / "data" / ".wh.x").touch()
    with pytest.raises(InvalidRequest, match=r"\.wh\."):
        images.commit("", upper, STEP, parse_reference("app:2"))
    assert not images.all()
    assert not list(images.store.layers.diff_ids())


def test_a_parent_that_lost_a_layer_is_not_built_on(images: Images, upper: Path) -> None:
    parent = images.import_tar(io.BytesIO(layer()), "app", "1")
    images.store.layers.remove(parent.diff_ids[0])
    with pytest.raises(NotFound, match="removed meanwhile"):
        images.commit(parent.id, upper, STEP, None)
    assert os.listdir(upper)


def test_the_config_of_a_child_keeps_its_parents_system() -> None:
    parent = parse_config(
        b'{"architecture":"arm64","os":"linux","variant":"v8","os.version":"1","config":{"Env":["A=b"]},"rootfs":'
        b'{"type":"layers","diff_ids":["' + EMPTY_LAYER.encode() + b'"]},"history":[{"created_by":"one"}],"zz":1}'
    )
    made = child(parent, STEP, digest_of(b"x"))
    assert made.platform == parent.platform
    assert made.document["os.version"] == "1"
    assert made.document["config"] == {"Cmd": ["sh"]}
    assert made.diff_ids == (EMPTY_LAYER, digest_of(b"x"))
    assert made.created == "2001-09-09T01:46:40Z"


def test_the_name_is_announced(images: Images, events: Recorder, upper: Path) -> None:
    images.commit("", upper, STEP, parse_reference("app"))
    assert events.seen == [("tag", "app:latest")]
