"""How do many clients get a blob that is still coming from upstream?

    upstream ─► one task ─► the upload's file ─► each client, at its own pace

Nobody waits for the whole blob, and nobody for a slower client. The last byte is handed out only after the blob was
found to have its digest, so that nobody ever has all of a blob that is another.
"""

import asyncio
import os
from collections.abc import AsyncGenerator

from sampan.errors import SampanError
from sampan.oci.digest import Digest
from sampan.registry.repository import Repository
from sampan.registry.serve.refusal import GONE_UPSTREAM, Refusal
from sampan.registry.serve.store import RegistryStore

PIECE = 1 << 20


class Download:
    """A blob on its way into the store, of `size` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._received = 0
        self._file = -1
        self._readers = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._changed = asyncio.Condition()
        self._begun = asyncio.Event()

    async def run(self, repository: Repository, store: RegistryStore, name: str, digest: Digest) -> None:
        """Fetch it; what goes wrong is told to those who read."""
        upload = None
        try:
            upload = await store.uploads.begin(name)
            self._file = os.open(upload.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            self._begun.set()
            async with repository.open_blob(digest, self.size) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(store.uploads.write, upload, piece)
                    await self._tell(upload.size)
            await asyncio.to_thread(store.finish, upload, digest)
        except BaseException as failure:
            self._failure = failure
            if upload is not None:
                await asyncio.to_thread(store.uploads.discard, upload)
            if not isinstance(failure, SampanError | OSError):
                raise
        finally:
            self._ended = True
            self._begun.set()
            await self._tell(self._received)
            self._close_if_unused()

    async def wait(self) -> None:
        """Until it is in the store. Raises Refusal when the fetching failed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended)
        self._check()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Its bytes as they come. Raises Refusal when the fetching failed."""
        self._readers += 1  # before anything is waited for: the file must not be closed in between
        try:
            await self._begun.wait()
            self._check()
            position = 0
            while position < self.size:
                async with self._changed:
                    await self._changed.wait_for(lambda at=position: self._ended or self._available > at)  # type: ignore[misc]
                if self._available <= position:
                    self._check()
                wanted = min(PIECE, self._available - position)
                data = await asyncio.to_thread(os.pread, self._file, wanted, position)
                position += len(data)
                yield data
        finally:
            self._readers -= 1
            self._close_if_unused()

    @property
    def can_be_followed(self) -> bool:
        """Whether its bytes can still be had as they come; afterwards it is in the store."""
        return not self._ended

    @property
    def _available(self) -> int:
        """How many bytes may be handed out."""
        if self._ended and self._failure is None:
            return self.size
        return min(self._received, self.size - 1)

    def _close_if_unused(self) -> None:
        if self._ended and not self._readers and self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _check(self) -> None:
        if isinstance(self._failure, Refusal):
            raise self._failure
        if self._failure is not None:
            raise Refusal("UNKNOWN", f"upstream: {self._failure}", status=GONE_UPSTREAM)

    async def _tell(self, received: int) -> None:
        async with self._changed:
            self._received = received
            self._changed.notify_all()
