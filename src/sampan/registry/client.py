"""What does the rest of the engine see of registries?

`Registries` opens repositories: of a name's own registry, or of its mirrors first. It holds the connections, the
settings (which a reload replaces) and nothing else: credentials come with each request and go with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from sampan.errors import InvalidRequest
from sampan.oci.reference import DEFAULT_DOMAIN, Reference
from sampan.oci.strict import decode
from sampan.registry.access import Access, failure
from sampan.registry.credentials import ANONYMOUS, Credentials, for_registry
from sampan.registry.endpoint import HUB_NAMES, Endpoint, endpoints
from sampan.registry.repository import Repository
from sampan.registry.settings import Settings
from sampan.registry.transport import Transport, read_document

SEARCH_BYTES = 4 << 20
SEARCH_SERVER = "index.docker.io"
PULL, PUSH = "pull", "pull,push"


class Registries:
    """The registries that one engine speaks to."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._transport = Transport(settings or Settings())
        self._previous: Transport | None = None

    @property
    def settings(self) -> Settings:
        """What the configuration says."""
        return self._transport.settings

    async def reload(self, settings: Settings) -> None:
        """Take on other settings; what is under way goes on over the old connections until the next time."""
        older, self._previous, self._transport = self._previous, self._transport, Transport(settings)
        if older is not None:
            await older.close()

    async def close(self) -> None:
        """Close every connection."""
        for transport in (self._previous, self._transport):
            if transport is not None:
                await transport.close()

    async def sources(self, reference: Reference, credentials: Credentials) -> Sequence[Repository]:
        """The repositories to pull from, mirrors first. Raises InvalidRequest."""
        return await self._repositories(reference, credentials, PULL, mirrors=True)

    async def target(
        self, reference: Reference, credentials: Credentials, *, mount_from: Sequence[str] = ()
    ) -> Repository:
        """The repository to push to; `mount_from` are others of the same server to take blobs from."""
        [repository] = await self._repositories(reference, credentials, PUSH, mirrors=False, also=mount_from)
        return repository

    async def log_in(self, domain: str, credentials: Credentials) -> str:
        """Check credentials; an identity token if the registry gives one. Raises Unauthorized, RegistryError."""
        name = DEFAULT_DOMAIN if domain in HUB_NAMES else domain
        [endpoint] = await self._endpoints(name, mirrors=False)
        return await Access(self._transport, endpoint, credentials).log_in()

    async def search(self, domain: str, term: str, limit: int, credentials: Credentials) -> Any:
        """What a registry's search (`/v1/search`) finds: its own JSON. Raises NotSupported where it has none."""
        if domain == DEFAULT_DOMAIN:
            endpoint = Endpoint(DEFAULT_DOMAIN, (f"https://{SEARCH_SERVER}",))
        else:
            [endpoint] = await self._endpoints(domain, mirrors=False)
        access = Access(self._transport, endpoint, ANONYMOUS)
        if len(endpoint.bases) == 1:
            access.base = endpoint.bases[0]  # Docker Hub's search is at a server that has nothing else
        await access.open()
        url = f"{access.base}/v1/search?{urlencode({'q': term, 'n': str(limit)})}"
        headers = {"Accept": "application/json"}
        if credentials.username and not for_registry(credentials, domain).are_empty:
            headers["Authorization"] = credentials.basic
        async with self._transport.request(
            "GET", url, origin=access.origin, verify=endpoint.verify, headers=headers
        ) as response:
            if response.status in (404, 405):
                raise InvalidRequest(f"{domain} has no search: Unexpected status code {response.status}")
            if response.status != 200:
                raise await failure(response)
            data = await read_document(response, SEARCH_BYTES, self.settings.patience.document, "the search result")
        return decode(data, what="search result")

    async def _repositories(
        self,
        reference: Reference,
        credentials: Credentials,
        actions: str,
        *,
        mirrors: bool,
        also: Sequence[str] = (),
    ) -> list[Repository]:
        mine = for_registry(credentials, reference.domain)
        scopes = [f"repository:{reference.path}:{actions}", *(f"repository:{path}:{PULL}" for path in also)]
        found = await self._endpoints(reference.domain, mirrors=mirrors)
        return [Repository(Access(self._transport, each, mine, scopes), reference.path) for each in found]

    async def _endpoints(self, domain: str, *, mirrors: bool) -> tuple[Endpoint, ...]:
        if not domain:
            raise InvalidRequest("invalid reference format: the name says no registry")
        return await asyncio.to_thread(endpoints, domain, self.settings, mirrors=mirrors)
