"""Which names may a client use? The grammar of distribution-spec, "Pulling manifests"; nothing else gets further."""

import re

from sampan.errors import InvalidRequest
from sampan.oci.digest import Digest, parse_digest
from sampan.registry.serve.refusal import Refusal

NAME_MAX = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def check_name(text: str) -> str:
    """A repository's name. Raises Refusal."""
    if len(text) > NAME_MAX or not _NAME.fullmatch(text):
        raise Refusal("NAME_INVALID", f"invalid repository name {text[:64]!r}")
    return text


def check_tag(text: str) -> str:
    """A tag. Raises Refusal."""
    if not _TAG.fullmatch(text):
        raise Refusal("MANIFEST_INVALID", f"invalid tag {text[:64]!r}")
    return text


def check_digest(text: str) -> Digest:
    """A digest of an algorithm that is known here. Raises Refusal."""
    try:
        return parse_digest(text)
    except InvalidRequest as error:
        raise Refusal("DIGEST_INVALID", f"{error}: {text[:80]!r}") from None


def is_digest_like(reference: str) -> bool:
    """Whether a manifest's reference means a digest: no tag has a colon."""
    return ":" in reference
