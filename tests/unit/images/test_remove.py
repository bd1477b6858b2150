"""What may be removed, what goes with it, and in which words it is refused."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sampan.errors import Conflict, NotFound
from sampan.images.image import Image
from sampan.images.images import Images
from sampan.oci.chain import chain_ids
from sampan.oci.config import parse_config
from sampan.oci.digest import digest_of, short_id
from sampan.oci.reference import parse_reference
from unit.images.crafted import config, layer

LAYERS = [layer("a"), layer("b"), layer("c")]
CONTAINER = "0123456789ab" + "c" * 52
REPO_DIGEST = "sha256:" + "cd" * 32


def make(images: Images, layers: Sequence[bytes], *names: str, **members: Any) -> Image:
    """An image of these layers."""
    with images.store.lease() as lease:
        for each in layers:
            lease.ingest(io.BytesIO(each))
        references = [parse_reference(name) for name in names]
        return images.store.insert(parse_config(config(layers, **members)), references)


def use(images: Images, image: Image, *, running: bool) -> None:
    """From now on a container stands on the image."""
    images.users_of = lambda image_id: [(CONTAINER, running)] if image_id == image.id else []


def refused(images: Images, name: str, **options: bool) -> str:
    """The sentence with which a removal is refused."""
    before = images.all()
    with pytest.raises(Conflict) as caught:
        images.remove(name, **options)
    assert {image.id for image in images.all()} == {image.id for image in before}
    return str(caught.value)


def test_the_last_name_takes_the_image_with_it(images: Images, tmp_path: Path) -> None:
    image = make(images, LAYERS[:2], "app:1")
    chains = chain_ids(image.diff_ids)
    assert images.remove("app:1") == [
        {"Untagged": "app:1"},
        {"Deleted": image.id},
        {"Deleted": chains[1]},
        {"Deleted": chains[0]},
    ]
    assert not list(images.store.layers.diff_ids())
    assert not list(images.store.content.digests())
    with pytest.raises(NotFound):
        images.remove("app:1")


def test_another_name_keeps_it(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1", "app:2")
    assert images.remove("app:1") == [{"Untagged": "app:1"}]
    assert images.get("app:2").id == image.id


def test_by_its_id_one_name_goes_with_it(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1")
    assert images.remove(short_id(image.id)) == [
        {"Untagged": "app:1"},
        {"Deleted": image.id},
        {"Deleted": digest_of(LAYERS[0])},
    ]


def test_by_its_id_several_names_must_be_forced(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1", "app:2")
    assert refused(images, image.id) == (
        f"conflict: unable to delete {short_id(image.id)} (must be forced) - "
        "image is referenced in multiple repositories"
    )
    assert images.remove(image.id, force=True) == [
        {"Untagged": "app:1"},
        {"Untagged": "app:2"},
        {"Deleted": image.id},
        {"Deleted": digest_of(LAYERS[0])},
    ]


def test_a_name_of_a_used_image_must_be_forced(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1")
    use(images, image, running=True)
    assert refused(images, "app:1") == (
        'conflict: unable to remove repository reference "app:1" (must force) - '
        f"container {CONTAINER[:12]} is using its referenced image {short_id(image.id)}"
    )
    # By force the name goes, and the image stays for its running container.
    assert images.remove("app:1", force=True) == [{"Untagged": "app:1"}]
    assert images.get(image.id).repo_tags == []


def test_a_running_container_cannot_be_forced(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1")
    use(images, image, running=True)
    sentence = (
        f"conflict: unable to delete {short_id(image.id)} (cannot be forced) - "
        f"image is being used by running container {CONTAINER[:12]}"
    )
    assert refused(images, image.id) == sentence
    assert refused(images, image.id, force=True) == sentence
    assert images.get("app:1").id == image.id


def test_a_stopped_container_must_be_forced_and_keeps_its_layers(images: Images) -> None:
    image = make(images, LAYERS[:2], "app:1")
    use(images, image, running=False)
    assert refused(images, image.id) == (
        f"conflict: unable to delete {short_id(image.id)} (must be forced) - "
        f"image is being used by stopped container {CONTAINER[:12]}"
    )
    assert images.remove(image.id, force=True) == [{"Untagged": "app:1"}, {"Deleted": image.id}]
    with pytest.raises(NotFound):
        images.get(image.id)
    assert not images.all()
    hidden = images.by_id(image.id)
    assert hidden and hidden.diff_ids == image.diff_ids
    assert all(images.store.layers.has(diff_id) for diff_id in image.diff_ids)

    images.release(image.id)
    assert images.by_id(image.id), "the container is still there"
    images.users_of = lambda image_id: []
    images.release(image.id)
    assert images.by_id(image.id) is None
    assert not list(images.store.layers.diff_ids())


def test_a_hidden_image_that_comes_again_is_seen_again(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1")
    use(images, image, running=False)
    images.remove(image.id, force=True)
    make(images, LAYERS[:1], "app:2")
    images.users_of = lambda image_id: []
    images.release(image.id)
    assert images.get("app:2").repo_tags == ["app:2"]


def test_an_image_that_stays_visible_is_not_released(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1")
    images.release(image.id)
    assert images.get("app:1").id == image.id


def test_shared_layers_stay(images: Images) -> None:
    base = make(images, LAYERS[:1], "base:1")
    child = make(images, LAYERS[:2], "child:1")
    assert images.remove("child:1") == [
        {"Untagged": "child:1"},
        {"Deleted": child.id},
        {"Deleted": chain_ids(child.diff_ids)[1]},
    ]
    assert list(images.store.layers.diff_ids()) == list(base.diff_ids)


def test_a_layer_in_another_stack_stays_in_the_store_but_its_own_stack_goes(images: Images) -> None:
    make(images, [LAYERS[1], LAYERS[0]], "other:1")
    image = make(images, LAYERS[:2], "app:1")
    records = images.remove("app:1")
    assert [record["Deleted"] for record in records[2:]] == list(reversed(chain_ids(image.diff_ids)))
    assert len(list(images.store.layers.diff_ids())) == 2


def link(images: Images, child: Image, parent: Image) -> None:
    """Say that an image was built on another."""
    with images.store.database.transaction() as cursor:
        cursor.execute("UPDATE images SET parent = ? WHERE id = ?", (parent.id, child.id))


def test_a_parent_cannot_be_forced(images: Images) -> None:
    base, child = make(images, LAYERS[:1], "base:1"), make(images, LAYERS[:2], "child:1")
    link(images, child, base)
    assert refused(images, base.id, force=True) == (
        f"conflict: unable to delete {short_id(base.id)} (cannot be forced) - image has dependent child images"
    )


@pytest.mark.parametrize("prune", [True, False])
def test_unnamed_parents_go_with_the_last_child(images: Images, prune: bool) -> None:
    oldest, base, child = make(images, LAYERS[:1]), make(images, LAYERS[:2]), make(images, LAYERS, "child:1")
    link(images, child, base)
    link(images, base, oldest)
    deleted = [record["Deleted"] for record in images.remove("child:1", prune=prune)[1:]]
    assert (base.id in deleted and oldest.id in deleted) == prune
    assert len(images.all()) == (0 if prune else 2)


def test_digests_go_with_the_last_tag_of_their_repository(images: Images) -> None:
    image = make(images, LAYERS[:1], "app:1", f"app@{REPO_DIGEST}")
    assert images.remove("app:1")[:3] == [
        {"Untagged": "app:1"},
        {"Untagged": f"app@{REPO_DIGEST}"},
        {"Deleted": image.id},
    ]


def test_a_digest_can_be_removed_alone(images: Images) -> None:
    make(images, LAYERS[:1], "app:1", f"app@{REPO_DIGEST}")
    assert images.remove(f"app@{REPO_DIGEST}") == [{"Untagged": f"app@{REPO_DIGEST}"}]
    assert images.get("app:1").repo_digests == []
