"""How does one layer come in from a registry?

    registry ─► Feed ─► the blob's file, hashed ─► decompressed ─► layer.tar, hashed ─► index
    event loop │ a thread                                         │ a second one

One pass: when the last byte has arrived, all that is left is to compare digests and to make it durable. A line that
breaks is taken up again where it broke, within one pull or by the next (content/partial).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sampan.content.partial import Partial
from sampan.errors import SampanError, Unavailable
from sampan.images.feed import Feed
from sampan.images.progress import Emit, Meter, moving, status
from sampan.images.recompress import is_layer
from sampan.images.store import ImageStore
from sampan.layers.header import BadLayer
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.registry.failure import Absent, RegistryError
from sampan.registry.repository import Repository
from sampan.registry.settings import Settings


@dataclass(frozen=True, slots=True)
class LayerToFetch:
    """A layer as a manifest has it, what it must decompress to, and who has it: the first that answers is asked."""

    descriptor: Descriptor
    diff_id: Digest
    sources: Sequence[Repository]


class _Incoming:
    """The blob's bytes for whoever decompresses them: what was here, then what comes; kept and hashed on the way."""

    def __init__(self, partial: Partial, feed: Feed) -> None:
        self._partial = partial
        self._feed = feed
        self._piece = b""
        self._start = 0

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        if self._start == len(self._piece):
            self._piece, self._start = self._next(), 0
        piece = self._piece[self._start : self._start + size]
        self._start += len(piece)
        return piece

    def drain(self) -> None:
        """Keep and hash whatever nobody wanted to read."""
        while self._next():
            pass

    def _next(self) -> bytes:
        if self._partial.size < self._partial.found and (piece := self._partial.replay()):
            return piece
        piece = self._feed.get()
        if piece:
            self._partial.write(piece)
        return piece


async def fetch_layer(store: ImageStore, layer: LayerToFetch, settings: Settings, emit: Emit) -> Digest:
    """Bring a layer and its blob into the stores, where the caller's lease keeps them; its diff ID.

    Raises SampanError.
    """
    descriptor = layer.descriptor
    if await asyncio.to_thread(_came_meanwhile, store, layer):
        return layer.diff_id
    partial = await asyncio.to_thread(store.content.partial, descriptor.digest, descriptor.size)
    feed = Feed()
    try:
        taking = asyncio.create_task(asyncio.to_thread(_take_in, store, layer, partial, feed))
        try:
            await _download(layer, partial.found, feed, settings, emit)
            feed.end()
            emit(status("Verifying Checksum", descriptor.digest))
            emit(status("Download complete", descriptor.digest))
            emit(moving("Extracting", descriptor.digest, descriptor.size, descriptor.size))
            await asyncio.shield(taking)
            return layer.diff_id
        except BaseException as error:
            feed.end(error)
            await asyncio.wait([taking])
            reason = taking.exception()
            if isinstance(error, _NobodyReads) and reason is not None:
                raise reason from None
            raise
    finally:
        partial.close()


def _came_meanwhile(store: ImageStore, layer: LayerToFetch) -> bool:
    """Whether another pull's transfer has just brought the blob and its layer; that they are that is not assumed."""
    digest = layer.descriptor.digest
    if not store.layers.has(layer.diff_id) or not store.content.has(digest):
        return False
    with store.content.open(digest) as blob:
        return is_layer(blob, layer.diff_id)


class _NobodyReads(Exception):
    """The thread has ended before the blob has: it knows why."""


async def _download(layer: LayerToFetch, offset: int, feed: Feed, settings: Settings, emit: Emit) -> None:
    descriptor = layer.descriptor
    meter = Meter(emit, "Downloading", descriptor.digest, descriptor.size)
    position, attempt, sources = offset, 1, list(layer.sources)
    while position < descriptor.size:
        try:
            async with sources[0].open_blob(descriptor.digest, descriptor.size, position) as pieces:
                async for piece in pieces:
                    if not await feed.put(piece):
                        raise _NobodyReads
                    position += len(piece)
                    meter.at(position)
        except (RegistryError, Absent) as error:
            passes = isinstance(error, RegistryError) and error.passes
            if passes and attempt < settings.attempts:
                await _wait(attempt, error, settings, descriptor.digest, emit)
                attempt += 1
            elif len(sources) > 1:
                del sources[0]
                attempt = 1
            else:
                raise


async def _wait(attempt: int, error: SampanError, settings: Settings, digest: Digest, emit: Emit) -> None:
    patience = settings.patience
    asked = error.wait_seconds if isinstance(error, RegistryError) else 0.0
    seconds = min(max(patience.retry_base * 2 ** (attempt - 1), asked), patience.retry_most)
    while seconds > 0:
        whole = max(1, round(seconds))
        emit(status(f"Retrying in {whole} second{'' if whole == 1 else 's'}", digest))
        await asyncio.sleep(min(1.0, seconds))
        seconds -= 1


def _take_in(store: ImageStore, layer: LayerToFetch, partial: Partial, feed: Feed) -> None:
    """In a thread: everything from the compressed byte to the durable layer. Raises SampanError."""
    source = _Incoming(partial, feed)
    try:
        try:
            store.layers.ingest(source, layer.diff_id)
        except BadLayer:
            source.drain()
            partial.verify()  # bytes that are not the right ones explain a broken layer better than its parser does
            partial.discard()
            raise
        source.drain()
        partial.verify()
        if layer.descriptor.digest == layer.diff_id:
            partial.discard()  # not compressed: the layer's own tar has these bytes
        else:
            store.content.commit(partial)
    except OSError as error:
        partial.discard()
        raise Unavailable(f"failed to register layer: write: {(error.strerror or str(error)).lower()}") from error
    finally:
        feed.close()
