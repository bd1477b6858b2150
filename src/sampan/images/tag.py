"""How does an image get another name?"""

import time

from sampan.errors import InvalidRequest
from sampan.images.image import Image
from sampan.images.store import ImageStore
from sampan.oci.reference import Reference, parse_reference, with_tag


def tag(store: ImageStore, source: str, repository: str, tag_name: str = "") -> tuple[Image, Reference]:
    """Let `repository:tag_name` mean the image `source`; whichever image had that name loses it.

    Returns the image and its new name. Raises NotFound, InvalidRequest.
    """
    reference = parse_reference(repository)
    if reference.digest:
        raise InvalidRequest("refusing to create a tag with a digest reference")
    if reference.familiar_name == "sha256":
        # `sha256:abc` would then be both a name and the beginning of an ID.
        raise InvalidRequest("refusing to create an ambiguous tag using digest algorithm as name")
    if tag_name:
        reference = with_tag(reference, tag_name)
    reference = reference.with_default_tag()
    image = store.find(source)
    store.name(reference, image.id, time.time_ns())
    return image, reference
