"""How do images become an archive?

The archive of `docker save` since version 25: an OCI layout that also has docker's `manifest.json` and `repositories`,
so that old and new engines and OCI tools read it.

    blobs/sha256/HEX   manifests, configs, layers (uncompressed: the store's own tars)
    index.json  manifest.json  oci-layout  repositories

Layers are not copied on the way: they appear as `Segment`s of the files they are.
"""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sampan.errors import InvalidRequest, NotFound
from sampan.images.image import Image
from sampan.images.listing import created_ns
from sampan.images.store import ImageStore
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, digest_of, encoded_part
from sampan.oci.manifest import render_index, render_manifest
from sampan.oci.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from sampan.oci.platform import Platform, satisfies
from sampan.oci.reference import Reference, parse_any
from sampan.oci.strict import encode

BLOCK = 512
RECORD = 20 * BLOCK
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """`length` bytes of a file from `offset` on."""

    path: str
    offset: int
    length: int


@dataclass(slots=True)
class _Wanted:
    """One image and the names under which it was asked for."""

    image: Image
    references: list[Reference] = field(default_factory=list)


class SavedArchive:
    """An archive of images, not yet written."""

    def __init__(
        self, store: ImageStore, images: Sequence[Image], members: Callable[[], Iterator[bytes | Segment]]
    ) -> None:
        self._store = store
        self.images = list(images)
        self._members = members

    def parts(self) -> Iterator[bytes | Segment]:
        """The archive's bytes in order. The layers stay in the store until the iteration ends."""
        with self._store.lease() as lease:
            for image in self.images:
                for diff_id in image.diff_ids:
                    if not lease.keep_layer(diff_id):
                        raise NotFound(f"layer {diff_id} of image {image.id} was removed meanwhile")
            written = 0
            for part in self._members():
                written += part.length if isinstance(part, Segment) else len(part)
                yield part
            # Two blocks of zeros end an archive; tar writes whole records.
            yield bytes(2 * BLOCK + -(written + 2 * BLOCK) % RECORD)

    def chunks(self) -> Iterator[bytes]:
        """The same as `parts`, all of it as bytes of at most 1 MiB each."""
        for part in self.parts():
            if isinstance(part, bytes):
                yield part
            else:
                yield from _read(part)


def save(store: ImageStore, names: Sequence[str], *, platform: Platform | None = None) -> SavedArchive:
    """An archive of the images that `names` mean; a name without a tag means all its tags. Raises NotFound."""
    wanted: dict[Digest, _Wanted] = {}
    for name in names:
        for image, reference in _resolve(store, name):
            if not image.diff_ids:
                raise InvalidRequest(f"image {name} has no layers: empty export is not possible")
            if platform and not satisfies(image.config.platform, platform):
                raise NotFound(f"image {name} is for {image.config.platform}, not for {platform}")
            entry = wanted.setdefault(image.id, _Wanted(image))
            if reference and reference not in entry.references:
                entry.references.append(reference)
    saved = list(wanted.values())
    return SavedArchive(store, [each.image for each in saved], lambda: _members(store, saved))


def layer_segment(store: ImageStore, diff_id: Digest) -> Segment:
    """A layer as the file that it is."""
    path = store.layers.tar(diff_id)
    return Segment(str(path), 0, path.stat().st_size)


def _resolve(store: ImageStore, name: str) -> list[tuple[Image, Reference | None]]:
    wanted = parse_any(name)
    if isinstance(wanted, Reference) and wanted.is_name_only:
        named = [
            (image, reference if reference.tag else None)
            for image in store.all()
            for reference in image.references
            if reference.name == wanted.name
        ]
        if named:
            return sorted(named, key=lambda pair: str(pair[1]))
    try:
        image = store.find(name)
    except NotFound:
        raise NotFound(f"No such image: {name}") from None  # as typed: a bare name means any tag here
    is_tag = isinstance(wanted, Reference) and wanted.tag and not wanted.digest and wanted in image.references
    return [(image, wanted if is_tag and isinstance(wanted, Reference) else None)]


def _members(store: ImageStore, wanted: Sequence[_Wanted]) -> Iterator[bytes | Segment]:
    blobs: dict[str, tuple[bytes | Segment, int]] = {}
    entries, descriptors = [], []
    repositories: dict[str, dict[str, str]] = {}
    for each in wanted:
        image, seconds = each.image, max(0, created_ns(each.image) // 10**9)
        layers = []
        for diff_id in image.diff_ids:
            segment = layer_segment(store, diff_id)
            blobs[encoded_part(diff_id)] = (segment, seconds)
            layers.append(Descriptor(OCI_LAYER, diff_id, segment.length))
        blobs[encoded_part(image.id)] = (image.config.data, seconds)
        manifest = render_manifest(Descriptor(OCI_CONFIG, image.id, len(image.config.data)), layers)
        blobs[encoded_part(digest_of(manifest))] = (manifest, 0)
        descriptors += _descriptors(each, manifest)
        entries.append(_entry(each))
        for reference in each.references:
            tags = repositories.setdefault(reference.familiar_name, {})
            tags[reference.tag] = encoded_part(image.diff_ids[-1])
    yield header("blobs/", 0, 0)
    yield header("blobs/sha256/", 0, 0)
    for encoded, (content, seconds) in sorted(blobs.items()):
        yield from member(f"blobs/sha256/{encoded}", content, seconds)
    yield from member("index.json", render_index(descriptors), 0)
    yield from member("manifest.json", encode(entries) + b"\n", 0)
    yield from member("oci-layout", encode({"imageLayoutVersion": "1.0.0"}), 0)
    if repositories:
        yield from member("repositories", encode(repositories) + b"\n", 0)


def _descriptors(wanted: _Wanted, manifest: bytes) -> list[Descriptor]:
    named = [
        {"io.containerd.image.name": str(reference), "org.opencontainers.image.ref.name": reference.tag}
        for reference in wanted.references
    ]
    platform = wanted.image.config.platform
    return [
        Descriptor(OCI_MANIFEST, digest_of(manifest), len(manifest), annotations, platform)
        for annotations in named or [{}]
    ]


def _entry(wanted: _Wanted) -> dict[str, object]:
    image = wanted.image
    return {
        "Config": f"blobs/sha256/{encoded_part(image.id)}",
        "RepoTags": [reference.familiar for reference in wanted.references] or None,
        "Layers": [f"blobs/sha256/{encoded_part(diff_id)}" for diff_id in image.diff_ids],
    }


def member(name: str, content: bytes | Segment, seconds: int) -> Iterator[bytes | Segment]:
    """One file of the archive, padded as tar has it."""
    size = content.length if isinstance(content, Segment) else len(content)
    yield header(name, size, seconds)
    yield content
    if padding := -size % BLOCK:
        yield bytes(padding)


def header(name: str, size: int, seconds: int) -> bytes:
    """The header of a file, or of a directory if its name ends with a slash."""
    info = tarfile.TarInfo(name.removesuffix("/"))
    info.size, info.mtime = size, seconds
    info.type, info.mode = (tarfile.DIRTYPE, 0o755) if name.endswith("/") else (tarfile.REGTYPE, 0o644)
    return info.tobuf(tarfile.PAX_FORMAT)


def _read(segment: Segment) -> Iterator[bytes]:
    with io.FileIO(segment.path, "rb") as file:
        file.seek(segment.offset)
        left = segment.length
        while left:
            data = file.read(min(CHUNK, left))
            if not data:
                raise NotFound(f"{segment.path} is shorter than it was")
            left -= len(data)
            yield data
