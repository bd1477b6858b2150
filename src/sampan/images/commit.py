"""How does a writable tree become an image?

Its changes are packed as a layer on top of the image that the tree stands on, and a config is written that says so:

    upper directory ──pack──► layer (durable) ──┐
    parent's config + step ──child──► config ───┴─► row, written last

A build makes its images with the same functions, one step at a time. A tree without changes adds no layer, only a line
to the history.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.errors import NotFound
from sampan.images.image import Image
from sampan.images.moment import rfc3339
from sampan.images.store import ImageStore, Lease
from sampan.layers.pack import pack
from sampan.layers.stream import Pieces
from sampan.oci.config import ImageConfig, parse_config
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform, host_platform
from sampan.oci.reference import Reference
from sampan.oci.strict import encode

EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""The digest of a tar with nothing in it: 1,024 zero bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step makes of an image; `config` holds the defaults of containers, in Docker's field names."""

    config: Mapping[str, Any] = field(default_factory=dict)
    created_by: str = ""
    author: str = ""
    comment: str = ""
    created_ns: int = 0


def commit(
    store: ImageStore, parent: Image | None, upper: Path | None, step: Step, references: Iterable[Reference] = ()
) -> Image:
    """Make an image of `parent` and the changes below `upper` (None: there are none), and give it the names.

    Raises InvalidRequest for a tree that no layer can hold, NotFound when the parent was removed meanwhile; then
    nothing is kept.
    """
    named = list(references)
    with store.lease() as lease:
        if parent:
            keep_layers(lease, parent)
        diff_id = add_layer(lease, upper) if upper else None
        config = child(parent.config if parent else None, step, diff_id)
        return store.insert(
            config, named, parent=parent.id if parent else "", tagged_ns=step.created_ns if named else 0
        )


def keep_layers(lease: Lease, image: Image) -> None:
    """From now on all layers of the image stay. Raises NotFound when one is gone."""
    for diff_id in image.diff_ids:
        if not lease.keep_layer(diff_id):
            raise NotFound(f"layer {diff_id} of image {image.id} was removed meanwhile")


def add_layer(lease: Lease, upper: Path) -> Digest | None:
    """Pack the changes below an overlay's upper directory and keep them; their diff ID, None when there are none."""
    diff_id = lease.ingest(Pieces(pack(upper, as_docker=True)))
    return None if diff_id == EMPTY_LAYER else diff_id


def child(
    parent: ImageConfig | None, step: Step, diff_id: Digest | None, platform: Platform | None = None
) -> ImageConfig:
    """The config of an image made by one step on top of `parent`; pure."""
    before: Mapping[str, Any] = parent.document if parent else {}
    made = rfc3339(step.created_ns)
    said = {"author": step.author, "created_by": step.created_by, "comment": step.comment}
    history: dict[str, Any] = {"created": made, **{name: text for name, text in said.items() if text}}
    if diff_id is None:
        history["empty_layer"] = True
    system = parent.platform if parent else platform or host_platform()
    diff_ids = [*(parent.diff_ids if parent else ()), *([diff_id] if diff_id else ())]
    document = {
        "architecture": before.get("architecture") or system.architecture,
        **({"author": step.author} if step.author else {}),
        "config": {name: step.config[name] for name in sorted(step.config) if step.config[name] is not None},
        "created": made,
        "history": [*(before.get("history") or ()), history],
        "os": before.get("os") or system.os,
        **{name: before[name] for name in ("os.features", "os.version") if before.get(name)},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **({"variant": before.get("variant") or system.variant} if before.get("variant") or system.variant else {}),
    }
    return parse_config(encode(document))
