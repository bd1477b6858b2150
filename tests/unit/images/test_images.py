"""The verbs together: what is announced, and what a restart does."""

import io

import pytest

from sampan.errors import NotFound
from sampan.images.images import Images
from sampan.oci.platform import Platform
from unit.images.conftest import Recorder
from unit.images.crafted import config, layer, make_tar, old_docker_archive

LAYERS = [layer("a")]


def test_every_change_is_announced_in_dockers_words(images: Images, events: Recorder) -> None:
    image = images.import_tar(io.BytesIO(LAYERS[0]), "app", "1", ["LABEL l=1"])
    images.tag("app:1", "app", "2")
    list(images.save(["app:1"]))
    images.remove("app:1")
    images.remove("app:2")
    images.load(io.BytesIO(make_tar(old_docker_archive(LAYERS, config(LAYERS), None))))
    loaded = images.all()[0]
    images.prune()
    assert events.seen == [
        ("tag", "app:1"),
        ("import", image.id),
        ("tag", "app:2"),
        ("save", image.id),
        ("untag", image.id),
        ("untag", image.id),
        ("delete", image.id),
        ("load", loaded.id),
        ("delete", loaded.id),
        ("prune", ""),
    ]
    assert events.all[0].type == "image"
    assert events.all[0].id == image.id
    assert events.all[0].attributes == {"l": "1", "name": "app:1"}
    assert events.all[-1].attributes == {"reclaimed": "1"}


def test_an_image_for_another_platform_is_not_found(images: Images) -> None:
    images.import_tar(io.BytesIO(LAYERS[0]), "app", platform=Platform("linux", "arm64"))
    assert images.get("app", Platform("linux", "arm64"))
    with pytest.raises(NotFound) as caught:
        images.get("app", Platform("linux", "amd64"))
    assert str(caught.value) == (
        "image with reference app was found but its platform (linux/arm64) "
        "does not match the specified platform (linux/amd64)"
    )


def test_a_restart_frees_what_hidden_images_held(images: Images) -> None:
    image = images.import_tar(io.BytesIO(LAYERS[0]), "app")
    images.users_of = lambda image_id: [("c" * 64, False)]
    images.remove(image.id, force=True)
    images.sweep()
    assert images.store.layers.has(image.diff_ids[0]), "its container is still there"
    images.users_of = lambda image_id: []
    images.sweep()
    assert not list(images.store.layers.diff_ids())
    assert not list(images.store.content.digests())
