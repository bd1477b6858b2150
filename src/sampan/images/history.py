"""How was an image made, step by step?"""

from typing import Any

from sampan.errors import InvalidRequest
from sampan.images.image import Image
from sampan.images.moment import unix_seconds
from sampan.images.store import ImageStore


def history(store: ImageStore, image: Image) -> list[dict[str, Any]]:
    """Docker's HistoryResponseItem for each step, the latest first. Raises InvalidRequest for a config at odds."""
    sizes = iter(image.layers)
    steps: list[dict[str, Any]] = []
    for step in image.config.history:
        size = 0
        if not step.empty_layer:
            layer = next(sizes, None)
            if layer is None:
                raise InvalidRequest("too many non-empty layers in History section")
            size = layer[1]
        steps.append(
            {
                "Comment": step.comment,
                "Created": unix_seconds(step.created) if step.created else 0,
                "CreatedBy": step.created_by,
                "Id": "<missing>",
                "Size": size,
                "Tags": None,
            }
        )
    steps.reverse()
    _name_steps(store, image, steps)
    return steps


def _name_steps(store: ImageStore, image: Image, steps: list[dict[str, Any]]) -> None:
    """Steps that are images themselves get their ID and tags: this one, its parent, and so on."""
    ancestor: Image | None = image
    for step in steps:
        if ancestor is None:
            return
        step["Id"] = ancestor.id
        step["Tags"] = ancestor.repo_tags or None
        ancestor = store.by_id(ancestor.parent) if ancestor.parent else None
