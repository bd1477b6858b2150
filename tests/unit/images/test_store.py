"""Finding images, and what keeps content alive."""

import io
import threading
from collections.abc import Callable

import pytest

from sampan.errors import InvalidRequest, NotFound
from sampan.images.image import Image
from sampan.images.images import Images
from sampan.images.store import ImageStore
from sampan.oci.config import parse_config
from sampan.oci.digest import digest_of
from sampan.oci.reference import parse_reference
from unit.images.crafted import config, layer

REPO_DIGEST = "sha256:" + "cd" * 32


@pytest.fixture
def make(store: ImageStore) -> Callable[..., Image]:
    """Make an image without layers that differs from others by its author."""

    def make_image(author: str, *names: str) -> Image:
        references = [parse_reference(name) for name in names]
        return store.insert(parse_config(config([], author=author)), references)

    return make_image


def test_an_image_is_found_by_every_name_it_has(store: ImageStore, make: Callable[..., Image]) -> None:
    image = make("a", "app:latest", "registry.lan:5000/me/app:1", f"app@{REPO_DIGEST}")
    for name in (
        "app",
        "app:latest",
        "docker.io/library/app",
        "library/app:latest",
        "registry.lan:5000/me/app:1",
        f"app@{REPO_DIGEST}",
        f"app:whatever@{REPO_DIGEST}",  # with a digest the tag is not looked at
        image.id,
        image.id.removeprefix("sha256:"),
        image.id[:20],
        image.id[7:19],
        image.id[7:8],
    ):
        assert store.find(name).id == image.id, name
    assert store.find("app").repo_tags == ["app:latest", "registry.lan:5000/me/app:1"]
    assert store.find("app").repo_digests == [f"app@{REPO_DIGEST}"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nope", "No such image: nope:latest"),
        ("nope:1", "No such image: nope:1"),
        ("reg.lan/nope", "No such image: reg.lan/nope:latest"),
        (f"app@sha256:{'0' * 64}", f"No such image: app@sha256:{'0' * 64}"),
        ("0" * 64, f"No such image: sha256:{'0' * 64}"),
        ("sha256:0000", "No such image: sha256:0000"),
    ],
)
def test_what_is_not_here_is_not_found_in_dockers_words(
    store: ImageStore, make: Callable[..., Image], name: str, sentence: str
) -> None:
    make("a", "app:latest")
    with pytest.raises(NotFound) as caught:
        store.find(name)
    assert str(caught.value) == sentence


def test_a_name_wins_over_an_id_that_begins_like_it(store: ImageStore, make: Callable[..., Image]) -> None:
    first = make("a")
    prefix = first.id[7:10]
    second = make("b", f"{prefix}:latest")
    assert store.find(prefix).id == second.id
    assert store.find(f"sha256:{prefix}").id == first.id


def test_an_ambiguous_prefix_means_nothing(store: ImageStore, make: Callable[..., Image]) -> None:
    by_digit: dict[str, Image] = {}
    number = 0
    while True:  # seventeen images at most: two of them begin with the same digit
        image = make(str(number))
        number += 1
        if twin := by_digit.get(image.id[7]):
            break
        by_digit[image.id[7]] = image
    with pytest.raises(NotFound):
        store.find(image.id[7])
    assert store.find(image.id[7:25]).id == image.id
    assert store.find(twin.id[7:25]).id == twin.id


@pytest.mark.parametrize("name", ["", " ", "UPPER", "a b", "../x", "a:b:c", "%", "'; DROP TABLE images; --"])
def test_what_can_be_no_name_is_an_invalid_request(store: ImageStore, name: str) -> None:
    with pytest.raises(InvalidRequest):
        store.find(name)


def test_content_stays_as_long_as_a_lease_or_a_row_needs_it(store: ImageStore) -> None:
    document = parse_config(config([]))
    with store.lease() as outer:
        assert not outer.keep_blob(document.digest)
        with store.lease() as inner:
            store.content.put_bytes(document.data)
            assert inner.keep_blob(document.digest)
        assert store.content.has(document.digest), "the outer lease holds it"
        store.insert(document)
    assert store.content.has(document.digest), "the row holds it"
    store.collect([], [document.digest])
    assert store.content.has(document.digest)


def test_content_without_a_row_is_gone_after_the_lease(store: ImageStore) -> None:
    with pytest.raises(RuntimeError), store.lease() as lease:
        digest = store.content.put_bytes(b"x")
        lease.keep_blob(digest)
        raise RuntimeError("the client left")
    assert not store.content.has(digest)


def restarted(store: ImageStore) -> ImageStore:
    """The store as the next process finds it."""
    return ImageStore(store.database, store.content, store.layers)


def test_a_sweep_removes_what_a_crash_left_and_nothing_else(store: ImageStore, make: Callable[..., Image]) -> None:
    image = make("a", "app:latest")
    left_behind = store.content.put_bytes(b"half a load")
    layer_left_behind = store.layers.ingest(io.BytesIO(layer("half"))).diff_id
    again = restarted(store)
    with again.lease() as lease:
        came_later = lease.put_bytes(b"from now on")
        again.sweep()
        assert again.content.has(came_later)
    assert not again.content.has(left_behind)
    assert not again.layers.has(layer_left_behind)
    assert again.find("app").id == image.id


def test_a_sweep_leaves_alone_what_came_after_the_start(store: ImageStore) -> None:
    # It has arrived, and its lease is just about to be taken.
    arriving = store.content.put_bytes(b"x")
    store.sweep()
    assert store.content.has(arriving)


def test_what_is_removed_and_added_at_once_is_there_or_says_so(store: ImageStore) -> None:
    document = parse_config(config([]))
    stop = threading.Event()

    def remove() -> None:
        while not stop.is_set():
            store.collect([], [document.digest])

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for _ in range(50):
            image = store.insert(document)
            assert store.content.read(image.id) == document.data
            store.drop(image)
    finally:
        stop.set()
        remover.join()


def test_rows_survive_a_new_start(images: Images, make: Callable[..., Image]) -> None:
    image = make("a", "app:latest")
    assert restarted(images.store).find("app") == image
    assert image.id == digest_of(image.config.data)
