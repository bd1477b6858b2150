"""Chain IDs, by the definition in image-spec and by what docker computed."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sampan.oci.chain import chain_id, chain_ids
from sampan.oci.digest import digest_of

diff_ids = st.lists(st.binary(min_size=1, max_size=4).map(digest_of), max_size=6)


def test_the_bottom_layer_is_its_own_chain() -> None:
    assert chain_ids(["sha256:" + "0" * 64]) == ["sha256:" + "0" * 64]
    assert chain_id([]) == ""


def test_a_chain_is_the_digest_of_both_names() -> None:
    below, above = "sha256:" + "0" * 64, "sha256:" + "1" * 64
    assert chain_id([below, above]) == "sha256:" + hashlib.sha256(f"{below} {above}".encode()).hexdigest()


@given(diff_ids, diff_ids)
def test_images_share_chains_exactly_as_far_as_they_share_layers(first: list[str], second: list[str]) -> None:
    for position, (one, other) in enumerate(zip(chain_ids(first), chain_ids(second), strict=False)):
        assert (one == other) == (first[: position + 1] == second[: position + 1])


@given(diff_ids)
def test_every_chain_is_the_chain_of_its_own_stack(layers: list[str]) -> None:
    assert chain_ids(layers) == [chain_id(layers[: height + 1]) for height in range(len(layers))]
