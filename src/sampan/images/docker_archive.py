"""What does the `manifest.json` of `docker save` say?

A list with one entry for each image: the member that is its config, the members that are its layers (bottom first), its
names. IDs are never taken from the archive: the config's digest is computed, and layers must be what the config says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sampan.errors import InvalidRequest
from sampan.images.archive import Archive
from sampan.oci.config import ImageConfig, parse_config
from sampan.oci.digest import Digest, is_digest
from sampan.oci.fields import Fields
from sampan.oci.platform import Platform, satisfies
from sampan.oci.reference import Reference, parse_reference
from sampan.oci.strict import decode

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Found:
    """An image that is complete in the stores and lacks only its row."""

    config: ImageConfig
    references: tuple[Reference, ...] = ()
    parent: str = ""
    manifest: str = ""
    blobs: tuple[Digest, ...] = field(default=())


def docker_images(archive: Archive, wanted: Platform | None) -> Iterator[Found]:
    """The images of the archive, those for `wanted` only if that is given. Raises InvalidRequest."""
    entries = decode(archive.text(MANIFEST, "manifest"), what=MANIFEST)
    if entries is None:
        raise InvalidRequest("invalid manifest, manifest cannot be null (but can be [])")
    for entry in Fields({"images": entries}, MANIFEST).items("images"):
        config = parse_config(archive.text(_path(entry, "Config"), "config"))
        refuse_other_system(config)
        if wanted and not satisfies(config.platform, wanted):
            continue
        paths = entry.texts("Layers") or ()
        if len(paths) != len(config.diff_ids):
            raise InvalidRequest(
                f"invalid manifest, layers length mismatch: expected {len(paths)}, got {len(config.diff_ids)}"
            )
        for position, (path, diff_id) in enumerate(zip(paths, config.diff_ids, strict=True)):
            archive.require_layer(path, position, diff_id)
        yield Found(
            config,
            tuple(_tagged(name) for name in entry.texts("RepoTags") or ()),
            _parent(entry),
        )


def refuse_other_system(config: ImageConfig) -> None:
    """Raises InvalidRequest for an image of another operating system."""
    if config.platform.os != "linux":
        raise InvalidRequest(f"cannot load {config.platform.os} image on linux")


def _path(entry: Fields, name: str) -> str:
    path = entry.text(name)
    if not path:
        raise entry.error(name, "is missing")
    return path


def _tagged(name: str) -> Reference:
    reference = parse_reference(name)
    if not reference.tag or reference.digest:
        raise InvalidRequest(f'invalid tag "{name}"')
    return reference


def _parent(entry: Fields) -> str:
    parent = entry.text("Parent")
    if parent and not is_digest(parent):
        raise entry.error("Parent", "is no image ID")
    return parent
