"""Which manifests stand behind an image in the list? Docker's `ManifestSummary` (API 1.47), for `image ls --tree`.

An image that came from a registry has one, for its platform; one that was made here has none.
"""

from collections.abc import Sequence
from typing import Any

from sampan.errors import InvalidRequest, NotFound
from sampan.images.image import Image
from sampan.images.store import ImageStore
from sampan.oci.descriptor import Descriptor, platform_as_json
from sampan.oci.manifest import Manifest, parse_manifest


def manifests(store: ImageStore, image: Image, containers: Sequence[str]) -> list[dict[str, Any]]:
    """The manifest that the image was pulled by, with the sizes of what it names and the `containers` that use it."""
    try:
        document = parse_manifest(store.content.read(image.manifest)) if image.manifest else None
    except (InvalidRequest, NotFound):
        return []  # damaged: `image verify` says so
    if not isinstance(document, Manifest):
        return []
    here = sum(part.size for part in (document.config, *document.layers) if store.content.has(part.digest))
    descriptor = Descriptor(document.media_type, document.digest, len(document.data))
    return [
        {
            "ID": document.digest,
            "Descriptor": descriptor.as_json(),
            "Available": True,
            "Kind": "image",
            "Size": {"Content": here, "Total": here + image.size},
            "ImageData": {
                "Platform": platform_as_json(image.config.platform),
                "Containers": list(containers),
                "Size": {"Unpacked": image.size},
            },
        }
    ]
