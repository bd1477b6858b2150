"""Digests: what is one and what is none (security.md C17, D06)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.oci.digest import digest_of, encoded_part, is_digest, parse_digest, short_id

SHA256 = "sha256:" + "ab" * 32


@pytest.mark.parametrize("text", [SHA256, "sha512:" + "0f" * 64])
def test_a_digest_is_algorithm_and_hex(text: str) -> None:
    assert parse_digest(text) == text
    assert is_digest(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "invalid checksum digest format"),
        ("sha256:", "invalid checksum digest format"),
        ("sha256:abc", "invalid checksum digest length"),
        ("sha256:" + "AB" * 32, "invalid checksum digest format"),
        ("sha256:" + "ab" * 32 + "\n", "invalid checksum digest format"),
        ("md5:" + "ab" * 16, "unsupported digest algorithm"),
        ("sha256:../../../../etc/passwd", "invalid checksum digest format"),
        ("SHA256:" + "ab" * 32, "invalid checksum digest format"),
        ("sha256:" + "ab" * 31 + "/.", "invalid checksum digest format"),
        ("sha256:" + "١" * 64, "invalid checksum digest format"),
    ],
)
def test_anything_else_is_refused_in_the_words_of_go_digest(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        parse_digest(text)
    assert not is_digest(text)


@given(st.binary(max_size=200))
def test_a_computed_digest_is_well_formed_and_has_a_short_form(data: bytes) -> None:
    digest = digest_of(data)
    assert parse_digest(digest) == digest
    assert encoded_part(digest).startswith(short_id(digest))
    assert len(short_id(digest)) == 12


@given(st.text(max_size=80))
def test_no_text_that_passes_can_be_a_path(text: str) -> None:
    if is_digest(text):
        assert "/" not in text and "." not in text and "\0" not in text
