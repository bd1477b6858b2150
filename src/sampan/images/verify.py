"""Is everything that images are made of still what its digest says, and what can be done where it is not?

Every blob and every layer of the images is read and hashed; each once, however many images have it. What is damaged is
repaired from what is here where that is possible:

    a layer's index        made again from its tar
    a layer's tar          from a compressed blob that is sound
    a compressed blob      forgotten, if its layer is sound: a push can do without it
    anything else          from a registry that has the image, by its digest (`repair.py`)
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sampan.errors import NotFound, SampanError
from sampan.images.compressed import blobs_of
from sampan.images.image import Image
from sampan.images.store import ImageStore
from sampan.layers.examine import Condition
from sampan.oci.digest import Digest

LAYER, CONFIG, MANIFEST, BLOB = "layer", "config", "manifest", "compressed layer"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one blob or layer; `images` are the IDs of those that have it."""

    kind: str
    digest: Digest
    condition: Condition
    images: tuple[Digest, ...]
    repaired: str = ""  # how

    @property
    def is_sound(self) -> bool:
        """Whether it is as it should be, now."""
        return self.condition is Condition.SOUND or bool(self.repaired)


def verify(store: ImageStore, images: Iterable[Image], *, repair: bool = False) -> Iterable[Finding]:
    """Look at everything that the images need, one thing after the other; mend what can be mended with what is here."""
    blobs: dict[Digest, list[Digest]] = {}
    layers: dict[Digest, list[Digest]] = {}
    kinds: dict[Digest, str] = {}
    for image in images:
        kinds |= {image.id: CONFIG} | ({image.manifest: MANIFEST} if image.manifest else {})
        for diff_id in dict.fromkeys(image.diff_ids):
            layers.setdefault(diff_id, []).append(image.id)
            kinds |= {blob.digest: BLOB for blob in blobs_of(store.database, diff_id)}
        for digest in store.content_of(image)[1]:
            blobs.setdefault(digest, []).append(image.id)
    found: dict[Digest, Finding] = {}
    for digest, owners in sorted(blobs.items()):
        condition = _blob_condition(store, digest)
        found[digest] = Finding(kinds.get(digest, MANIFEST), digest, condition, tuple(owners))
    for diff_id, owners in sorted(layers.items()):
        finding = Finding(LAYER, diff_id, store.layers.examine(diff_id), tuple(owners))
        found[diff_id] = finding if finding.is_sound or not repair else _mend_layer(store, finding)
        yield found[diff_id]
    sound = {diff_id for diff_id in layers if found[diff_id].is_sound}
    for digest in sorted(blobs):
        finding = found[digest]
        if repair and not finding.is_sound and finding.kind == BLOB:
            finding = _forget_blob(store, finding, sound)
        yield finding


def _blob_condition(store: ImageStore, digest: Digest) -> Condition:
    try:
        return Condition.SOUND if store.content.verify(digest) else Condition.DAMAGED
    except NotFound:
        return Condition.MISSING
    except OSError:
        return Condition.DAMAGED


def _mend_layer(store: ImageStore, finding: Finding) -> Finding:
    if finding.condition is Condition.INDEX_DAMAGED:
        with store.layers.tar(finding.digest).open("rb") as tar:
            store.layers.replace(finding.digest, tar)
        return replace(finding, repaired="indexed again from its tar")
    for blob in blobs_of(store.database, finding.digest):
        if _blob_condition(store, blob.digest) is not Condition.SOUND:
            continue
        try:
            with store.content.open(blob.digest) as file:
                store.layers.replace(finding.digest, file)
        except (SampanError, OSError):
            continue  # the next one may do; what was there is still there
        return replace(finding, repaired=f"unpacked again from {blob.digest}")
    return finding


def _forget_blob(store: ImageStore, finding: Finding, sound: set[Digest]) -> Finding:
    stands_for = store.database.query("SELECT diff_id FROM layer_blobs WHERE digest = ?", (finding.digest,))
    if not stands_for or not {row["diff_id"] for row in stands_for} <= sound:
        return finding
    with store.database.transaction(durable=True) as cursor:
        cursor.execute("DELETE FROM image_blobs WHERE digest = ?", (finding.digest,))
        cursor.execute("DELETE FROM layer_blobs WHERE digest = ?", (finding.digest,))
    store.content.remove(finding.digest)
    return replace(finding, repaired="forgotten: its layer is sound, and a push can make it again")
