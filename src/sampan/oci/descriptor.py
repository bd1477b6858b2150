"""What does one document know about another before fetching it?

Its media type, digest and size (image-spec descriptor.md). `urls` are kept but never followed (security.md D08).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sampan.errors import InvalidRequest
from sampan.oci.digest import Digest, parse_digest
from sampan.oci.fields import Fields
from sampan.oci.platform import Platform, normalize


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to content."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""
    urls: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The object that image-spec prescribes, members in its order."""
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.urls:
            value["urls"] = list(self.urls)
        if self.annotations:
            value["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform:
            value["platform"] = platform_as_json(self.platform)
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        return value


def platform_as_json(platform: Platform) -> dict[str, str]:
    """The `platform` object of a descriptor."""
    value = {"architecture": platform.architecture, "os": platform.os}
    return value | {"variant": platform.variant} if platform.variant else value


def parse_descriptor(fields: Fields) -> Descriptor:
    """A descriptor from a decoded document. Raises InvalidRequest."""
    size = fields.number("size")
    if size is None:
        raise fields.error("size", "is missing")
    try:
        digest = parse_digest(fields.text("digest"))
    except InvalidRequest as error:
        raise fields.error("digest", f"is no digest: {error}") from None
    return Descriptor(
        fields.text("mediaType"),
        digest,
        size,
        fields.mapping("annotations") or {},
        _platform(fields.inner("platform")),
        fields.text("artifactType"),
        fields.texts("urls") or (),
    )


def _platform(fields: Fields | None) -> Platform | None:
    if fields is None:
        return None
    return normalize(fields.text("os"), fields.text("architecture"), fields.text("variant"))
