"""What does a digest look like, and how is one made?

`algorithm:hex`, as in the OCI image spec (descriptor.md, "Digests"). Only the two registered algorithms are known; the
grammar is checked before a digest becomes a file name or part of a URL (security.md C17, D06).
"""

import hashlib
import re
from typing import TypeAlias

from sampan.errors import InvalidRequest

Digest: TypeAlias = str
"""Text that `parse_digest` has accepted."""

_GRAMMAR = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")
_SHAPE = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")


def parse_digest(text: str) -> Digest:
    """`text` as a digest. Raises InvalidRequest with the sentences of opencontainers/go-digest."""
    if _GRAMMAR.fullmatch(text):
        return text
    if not _SHAPE.fullmatch(text):
        raise InvalidRequest("invalid checksum digest format")
    algorithm, _, encoded = text.partition(":")
    length = {"sha256": 64, "sha512": 128}.get(algorithm)
    if length is None:
        raise InvalidRequest("unsupported digest algorithm")
    if len(encoded) != length:
        raise InvalidRequest("invalid checksum digest length")
    raise InvalidRequest("invalid checksum digest format")


def is_digest(text: str) -> bool:
    """Whether `text` is a well-formed digest of a known algorithm."""
    return _GRAMMAR.fullmatch(text) is not None


def digest_of(data: bytes) -> Digest:
    """The canonical (sha256) digest of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encoded_part(digest: Digest) -> str:
    """The hex after the colon."""
    return digest.partition(":")[2]


def short_id(digest: Digest) -> str:
    """The twelve characters that people are shown."""
    return digest.rpartition(":")[2][:12]
