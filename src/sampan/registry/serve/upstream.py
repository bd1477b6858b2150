"""How does the registry fetch what it does not have from the registry that it is a cache of?

    blob, manifest by digest   here already: served. Otherwise fetched, verified, kept; blobs are passed on as they come
    manifest by tag            upstream is asked what the tag means, at most every FRESH_SECONDS; when it cannot be
                               reached, what the tag meant last is served

Each thing is fetched by one request, however many want it. Names are upstream's; the credentials are the cache's own.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sampan.errors import InvalidRequest, SampanError
from sampan.oci.digest import Digest
from sampan.oci.reference import DEFAULT_DOMAIN, Reference
from sampan.registry.client import Registries
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.endpoint import HUB_NAMES
from sampan.registry.failure import Absent
from sampan.registry.repository import Repository
from sampan.registry.serve.download import Download
from sampan.registry.serve.refusal import GONE_UPSTREAM, Refusal
from sampan.registry.serve.store import RegistryStore
from sampan.registry.settings import HostSettings, Settings

FRESH_SECONDS = 30.0
REMEMBERED = 10_000
T = TypeVar("T")

_log = logging.getLogger("sampan.registry")


@dataclass(slots=True)
class Turn:
    """Who fetches something, while others wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Upstream:
    """The registry that ours is a cache of."""

    def __init__(self, url: str, store: RegistryStore, credentials: Credentials = ANONYMOUS) -> None:
        scheme, separator, host = url.rstrip("/").partition("://")
        if not separator:
            scheme, host = "https", url.rstrip("/")
        if scheme not in ("http", "https") or not host or "/" in host or "@" in host:
            raise InvalidRequest(f"--proxy {url}: the URL of a registry is expected, such as https://registry.example")
        self.domain = DEFAULT_DOMAIN if host in HUB_NAMES else host
        insecure = {host: HostSettings(insecure=True)} if scheme == "http" else {}
        self._registries = Registries(Settings(hosts=insecure, attempts=2))  # a client waits
        self._credentials = credentials
        self._store = store
        self._downloads: dict[tuple[str, Digest], Download] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: dict[tuple[str, str], Turn] = {}
        self._fresh: dict[tuple[str, str], float] = {}

    async def close(self) -> None:
        """Give up what is on its way, close the connections."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._registries.close()

    async def blob(self, name: str, digest: Digest, *, fetch: bool) -> tuple[int, Download | None]:
        """The size of a blob, and how it comes if it is not here and to be fetched. Raises Refusal."""
        async with self._turn(name, digest):
            try:
                return await asyncio.to_thread(self._store.find_blob, name, digest), None
            except Refusal:
                pass
            if (name, digest) in self._downloads:
                download = self._downloads[name, digest]
                return download.size, download
            repository = await self._repository(name)
            size = await self._ask(lambda: repository.has_blob(digest))
            if size is None:
                raise Refusal("BLOB_UNKNOWN", "blob unknown to the registry that this is a cache of")
            return size, self._fetch(repository, name, digest, size) if fetch else None

    async def manifest(self, name: str, reference: str, *, by_tag: bool) -> None:
        """See that a manifest is here, and that a tag means what it means upstream. Raises Refusal."""
        if by_tag and self._fresh.get((name, reference), 0.0) > time.monotonic():
            return
        async with self._turn(name, reference):
            known = await asyncio.to_thread(self._known, name, reference, by_tag)
            if known and (not by_tag or self._fresh.get((name, reference), 0.0) > time.monotonic()):
                return
            try:
                await self._ask(lambda: self._update(name, reference, known, by_tag=by_tag))
            except Refusal as refusal:
                if not known or refusal.status != GONE_UPSTREAM:
                    raise
                _log.warning("upstream does not answer, %s:%s may be old: %s", name, reference, refusal)
        if by_tag:
            if len(self._fresh) >= REMEMBERED:
                self._fresh.clear()
            self._fresh[name, reference] = time.monotonic() + FRESH_SECONDS

    async def tags(self, name: str) -> list[str]:
        """The tags that upstream has. Raises Refusal."""
        repository = await self._repository(name)
        return await self._ask(repository.tags)

    async def _update(self, name: str, reference: str, known: Digest, *, by_tag: bool) -> None:
        repository = await self._repository(name)
        if by_tag and known:
            found = await repository.find_manifest(reference)
            if found and found[1] == known:
                return
        document = await repository.manifest(reference)
        tags = [reference] if by_tag else []
        digest = document.digest if by_tag else reference
        await asyncio.to_thread(
            self._store.put_manifest, name, document.data, digest, document.media_type, tags, check=False
        )

    def _fetch(self, repository: Repository, name: str, digest: Digest, size: int) -> Download:
        """Begin to fetch a blob, for however many clients, and whether or not they stay."""
        download = self._downloads[name, digest] = Download(size)
        work = download.run(repository, self._store, name, digest)
        task = asyncio.get_running_loop().create_task(work, name=f"fetch {digest}")
        self._tasks.add(task)

        def ended(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            self._downloads.pop((name, digest), None)

        task.add_done_callback(ended)
        return download

    async def _repository(self, name: str) -> Repository:
        path = f"library/{name}" if self.domain == DEFAULT_DOMAIN and "/" not in name else name
        [repository] = await self._registries.sources(Reference(self.domain, path), self._credentials)
        return repository

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """What upstream answers; its failures as ours. Raises Refusal."""
        try:
            return await question()
        except Refusal:
            raise
        except Absent as error:
            raise Refusal("MANIFEST_UNKNOWN", f"upstream: {error}") from None
        except SampanError as error:
            raise Refusal("UNKNOWN", f"upstream: {error}", status=GONE_UPSTREAM) from None

    def _known(self, name: str, reference: str, by_tag: bool) -> Digest:
        try:
            return self._store.manifest(name, reference, by_tag=by_tag)[0].digest
        except Refusal:
            return ""

    @asynccontextmanager
    async def _turn(self, name: str, what: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault((name, what), Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                self._turns.pop((name, what), None)
