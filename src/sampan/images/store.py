"""Which images are here, and what do they keep alive?

The order of every change is what makes it safe against being killed: content and layers are durable first, the row is
written last; on removal the row goes first, then what nothing refers to any more. Between the two a *lease* protects
content that has no row yet; leases live in memory, since after a crash nobody is going to finish the work, and `sweep`
at start-up gives back the space of whatever has no row.
"""

import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from sampan.content.store import Blobs, Readable
from sampan.db import Database
from sampan.errors import NotFound, Unavailable
from sampan.images import rows
from sampan.images.image import Image
from sampan.layers.examine import Condition
from sampan.oci.config import ImageConfig, parse_config
from sampan.oci.digest import Digest, digest_of
from sampan.oci.reference import Reference, parse_any

UsersOf = Callable[[Digest], Sequence[tuple[str, bool]]]
"""The containers made from an image: (container ID, whether it is running)."""

_ID_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")


class LayerInfo(Protocol):
    """What is known about a layer that came in."""

    @property
    def diff_id(self) -> Digest: ...


class LayerStore(Protocol):
    """What images ask of `layers.store.Layers`."""

    def ingest(self, stream: Readable, expected_diff_id: Digest | None = None) -> LayerInfo: ...
    def has(self, diff_id: Digest) -> bool: ...
    def files_bytes(self, diff_id: Digest) -> int: ...
    def remove(self, diff_id: Digest) -> None: ...
    def tar(self, diff_id: Digest) -> Path: ...
    def examine(self, diff_id: Digest) -> Condition: ...
    def replace(self, diff_id: Digest, stream: Readable) -> None: ...
    def aside(self, diff_id: Digest) -> AbstractContextManager[None]: ...
    def diff_ids(self) -> Iterable[Digest]: ...


class Lease:
    """Layers and blobs that must stay although no row refers to them yet."""

    def __init__(self, store: "ImageStore") -> None:
        self._store = store
        self.layers: set[Digest] = set()
        self.blobs: set[Digest] = set()

    def keep_layer(self, diff_id: Digest) -> bool:
        """From now on the layer stays if it is here; returns whether it is."""
        return self._store._keep(self.layers, self._store._leased_layers, diff_id, self._store.layers.has)

    def keep_blob(self, digest: Digest) -> bool:
        """From now on the blob stays if it is here; returns whether it is."""
        return self._store._keep(self.blobs, self._store._leased_blobs, digest, self._store.content.has)

    def ingest(self, stream: Readable, expected: Digest | None = None) -> Digest:
        """Bring in a layer and keep it; returns its diff ID. Raises InvalidRequest for what is no layer."""
        if expected:
            self.keep_layer(expected)
        diff_id = self._store.layers.ingest(stream, expected).diff_id
        return self._arrived(diff_id, self.keep_layer(diff_id))

    def put(self, stream: Readable, expected: Digest | None = None) -> tuple[Digest, int]:
        """Bring in a blob and keep it; returns its digest and size. Raises InvalidRequest when it is another."""
        if expected:
            self.keep_blob(expected)
        digest, size = self._store.content.put(stream, expected)
        return self._arrived(digest, self.keep_blob(digest)), size

    def put_bytes(self, data: bytes) -> Digest:
        """Bring in a small blob and keep it."""
        digest = digest_of(data)
        self.keep_blob(digest)
        return self._store.content.put_bytes(data)

    def _arrived(self, digest: Digest, is_here: bool) -> Digest:
        if not is_here:
            # The same content was here before, and its last image was removed between our arrival and our lease.
            raise Unavailable(f"{digest} was removed while it was being added: try again")
        return digest


class ImageStore:
    """The rows of images with the content and layers they stand for; may be used from any thread.

    `users_of` tells which containers stand on an image; whoever has the containers sets it. `also_kept` tells of layers
    that somebody else needs: the build cache.
    """

    def __init__(self, database: Database, content: Blobs, layers: LayerStore) -> None:
        self.database = database
        self.content = content
        self.layers = layers
        self._leased_layers: Counter[Digest] = Counter()
        self._leased_blobs: Counter[Digest] = Counter()
        self._collecting = threading.Lock()
        self._config = lru_cache(maxsize=1024)(self._read_config)
        self.users_of: UsersOf = lambda image_id: ()
        self.also_kept: Callable[[Digest], bool] = lambda diff_id: False
        # What comes in later belongs to somebody: a sweep must not look at it.
        self._found_at_start = (list(layers.diff_ids()), list(content.digests()))

    def find(self, name: str) -> Image:
        """The image that a name, a name with tag or digest, an ID or an unambiguous ID prefix means.

        Raises NotFound with docker's `No such image: …`, InvalidRequest for what can be no name.
        """
        wanted = parse_any(name)
        image_id = self._id_of(wanted, name)
        image = self.by_id(image_id) if image_id else None
        if image is None or image.hidden:
            raise NotFound(
                f"No such image: {wanted if isinstance(wanted, str) else wanted.with_default_tag().familiar}"
            )
        return image

    def by_id(self, image_id: Digest) -> Image | None:
        """One image by its full ID, hidden or not."""
        row = rows.read(self.database, image_id)
        return self._image(row) if row else None

    def all(self) -> list[Image]:
        """Every visible image, in no order."""
        return [self._image(row) for row in rows.read_all(self.database)]

    def children(self, image_id: Digest) -> list[Digest]:
        """The visible images whose parent this is."""
        found = self.database.query("SELECT id FROM images WHERE parent = ? AND hidden = 0 ORDER BY id", (image_id,))
        return [row["id"] for row in found]

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """A scope in which content may be brought in; what then has no row is removed at its end."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            with self._collecting:
                self._leased_layers -= Counter(lease.layers)
                self._leased_blobs -= Counter(lease.blobs)
            self.collect(lease.layers, lease.blobs)

    def collect(self, layers: Iterable[Digest], blobs: Iterable[Digest]) -> list[Digest]:
        """Remove those of the given layers and blobs that no image and no lease needs; returns the layers removed."""
        removed = []
        with self._collecting:
            for diff_id in layers:
                is_kept = self._leased_layers[diff_id] or self.also_kept(diff_id)
                if not is_kept and not self._refers("image_layers", "diff_id", diff_id):
                    self.layers.remove(diff_id)
                    removed.append(diff_id)
            for digest in blobs:
                if not self._leased_blobs[digest] and not self._refers("image_blobs", "digest", digest):
                    self.content.remove(digest)
        return removed

    def sweep(self) -> None:
        """Once after start-up: give back the space of what was here without a row, and of hidden images not in use."""
        for row in self.database.query("SELECT id FROM images WHERE hidden = 1"):
            self.release(row["id"])
        layers, blobs = self._found_at_start
        self.collect(layers, blobs)
        self._found_at_start = ([], [])

    def release(self, image_id: Digest) -> None:
        """A container of this image is gone for good: if the image is hidden and that was the last, so is the image."""
        image = self.by_id(image_id)
        if image and image.hidden and not self.users_of(image_id):
            self.drop(image)

    def drop(self, image: Image) -> None:
        """Remove the image, then what only it needed."""
        layers, blobs = self.content_of(image)
        with self.database.transaction(durable=True) as cursor:
            cursor.execute("DELETE FROM images WHERE id = ?", (image.id,))
        self.collect(layers, blobs)

    def insert(
        self,
        config: ImageConfig,
        references: Iterable[Reference] = (),
        *,
        blobs: Iterable[Digest] = (),
        manifest: str = "",
        parent: str = "",
        tagged_ns: int = 0,
    ) -> Image:
        """Make an image of content and layers that are here (and leased), named by `references`.

        One that is here already keeps the parent and the manifest that it has.
        """
        image_id = config.digest
        layers = [(diff_id, self.layers.files_bytes(diff_id)) for diff_id in config.diff_ids]
        with self.lease() as lease:
            lease.put_bytes(config.data)
            with self.database.transaction(durable=True) as cursor:
                rows.insert(cursor, image_id, layers, [image_id, *blobs], manifest=manifest, parent=parent)
                for reference in references:
                    rows.name(cursor, reference, image_id)
                if tagged_ns:
                    cursor.execute("UPDATE images SET tagged_ns = ? WHERE id = ?", (tagged_ns, image_id))
        image = self.by_id(image_id)
        if image is None:
            raise Unavailable(f"{image_id} was removed as soon as it was there: try again")
        return image

    def name(self, reference: Reference, image_id: Digest, tagged_ns: int) -> None:
        """Give a name to an image, taking it from the one that had it."""
        with self.database.transaction(durable=True) as cursor:
            try:
                rows.name(cursor, reference, image_id)
            except sqlite3.IntegrityError:
                raise NotFound(f"No such image: {image_id}") from None
            cursor.execute("UPDATE images SET tagged_ns = ? WHERE id = ?", (tagged_ns, image_id))

    def content_of(self, image: Image) -> tuple[set[Digest], set[Digest]]:
        """The layers and blobs that an image keeps alive."""
        blobs = self.database.query("SELECT digest FROM image_blobs WHERE image = ?", (image.id,))
        return set(image.diff_ids), {row["digest"] for row in blobs}

    def _id_of(self, wanted: Reference | Digest, text: str) -> Digest | None:
        if isinstance(wanted, str):
            return wanted
        if found := rows.id_of_reference(self.database, wanted):
            return found
        match = _ID_PREFIX.fullmatch(text)
        ids = rows.ids_with_prefix(self.database, f"sha256:{match[1]}") if match else []
        return ids[0] if len(ids) == 1 else None

    def _image(self, row: rows.Row) -> Image:
        return Image(
            id=row.id,
            config=self._config(row.id),
            layers=row.layers,
            references=row.references,
            parent=row.parent,
            manifest=row.manifest,
            tagged_ns=row.tagged_ns,
            hidden=row.hidden,
        )

    def _read_config(self, image_id: Digest) -> ImageConfig:
        # Cached without a way to forget: what a digest names never changes.
        return parse_config(self.content.read(image_id))

    def _refers(self, table: str, column: str, digest: Digest) -> bool:
        return bool(self.database.query(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", (digest,)))

    def _keep(self, mine: set[Digest], leased: Counter[Digest], digest: Digest, has: "HasContent") -> bool:
        with self._collecting:  # or a collection that has just looked would remove it after we have seen it
            if digest not in mine:
                mine.add(digest)
                leased[digest] += 1
            return has(digest)


class HasContent(Protocol):
    """Whether some content is here."""

    def __call__(self, digest: Digest, /) -> bool: ...
