"""What is an image, once it is here?"""

from dataclasses import dataclass

from sampan.oci.config import ImageConfig
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the store. `id` is the digest of its config; `references` are in docker's order.

    `layers` are (diff ID, size in bytes) from the bottom up; `manifest` is a digest or "", `tagged_ns` Unix time in
    nanoseconds or 0. A `hidden` image was removed by force; it lives as long as containers stand on its layers.
    """

    id: Digest
    config: ImageConfig
    layers: tuple[tuple[Digest, int], ...]
    references: tuple[Reference, ...]
    parent: str = ""
    manifest: str = ""
    tagged_ns: int = 0
    hidden: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files in all layers."""
        return sum(size for _, size in self.layers)

    @property
    def diff_ids(self) -> tuple[Digest, ...]:
        """The uncompressed layers, bottom first."""
        return tuple(diff_id for diff_id, _ in self.layers)

    @property
    def created(self) -> str:
        """When it was made, as RFC 3339 text; "" if it does not say."""
        return self.config.created

    @property
    def repo_tags(self) -> list[str]:
        """`busybox:latest` and the other tags, as people write them."""
        return [reference.familiar for reference in self.references if reference.tag]

    @property
    def repo_digests(self) -> list[str]:
        """`busybox@sha256:…` and the other digests, as people write them."""
        return [reference.familiar for reference in self.references if reference.digest]
