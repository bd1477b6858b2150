"""How does a blob get into a repository? distribution-spec 1.1, "Push".

    HEAD                    it is there already
    POST ?mount&from        it is in another repository of the same server
    POST, PUT ?digest       all of it at once, where its digest is known
    POST, PATCH, PUT        while it is being made, its digest known at the end

Where an upload goes on is the server's choice (`Location`); the grant only goes along to the server's own origin.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urljoin

import aiohttp

from sampan.oci.digest import Digest, digest_of
from sampan.registry.access import Access
from sampan.registry.failure import RegistryError
from sampan.registry.repository import Repository

_OCTETS = {"Content-Type": "application/octet-stream"}
Digested = Callable[[], Awaitable[Digest]]


async def mount(repository: Repository, digest: Digest, source: str) -> bool:
    """Take a blob over from the repository `source` of the same server; whether that worked."""
    query = urlencode({"mount": digest, "from": source})
    async with repository.access.request(
        "POST", f"{repository.path}/blobs/uploads/?{query}", headers={"Content-Length": "0"}, accepts=(201, 202)
    ) as response:
        if response.status == 201:
            return True
        location = _location(response)
    await _abandon(repository.access, location)
    return False


async def put_blob(repository: Repository, digest: Digest, size: int, pieces: AsyncIterator[bytes]) -> None:
    """Upload a blob whose digest is known. Raises SampanError."""
    location = await _begin(repository)
    target = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': digest})}"
    headers = {**_OCTETS, "Content-Length": str(size)}
    async with _moving(repository.access, pieces) as body:
        async with repository.access.request("PUT", target, headers=headers, body=body, accepts=(201, 204)) as response:
            _check(response, digest)


async def put_stream(repository: Repository, pieces: AsyncIterator[bytes], digested: Digested) -> None:
    """Upload what `pieces` makes; `digested` says what it was, once it has ended. Raises SampanError."""
    location = await _begin(repository)
    async with _moving(repository.access, pieces) as body:
        async with repository.access.request("PATCH", location, headers=_OCTETS, body=body, accepts=(202,)) as response:
            location = _location(response, repository.access)
    digest = await digested()
    target = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': digest})}"
    headers = {**_OCTETS, "Content-Length": "0"}
    async with repository.access.request("PUT", target, headers=headers, accepts=(201, 204)) as response:
        _check(response, digest)


async def put_manifest(repository: Repository, reference: str, media_type: str, data: bytes) -> None:
    """Upload a manifest under a tag or its digest. Raises SampanError."""
    async with repository.access.request(
        "PUT", f"{repository.path}/manifests/{reference}", headers={"Content-Type": media_type}, body=data,
        accepts=(201, 202),
    ) as response:  # fmt: skip
        _check(response, digest_of(data))


@asynccontextmanager
async def _moving(access: Access, pieces: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pieces, while the server takes one after the other. Raises RegistryError when it stops taking them."""
    loop, seconds = asyncio.get_running_loop(), access.transport.settings.patience.idle
    try:
        async with asyncio.timeout(seconds) as clock:

            async def watched() -> AsyncIterator[bytes]:
                async for piece in pieces:
                    clock.reschedule(loop.time() + seconds)
                    yield piece
                clock.reschedule(None)  # from here on the connection's own limit for answers counts

            yield watched()
    except TimeoutError:
        raise RegistryError("the registry does not take the blob: nothing moves any more", passes=True) from None


async def _begin(repository: Repository) -> str:
    async with repository.access.request(
        "POST", f"{repository.path}/blobs/uploads/", headers={"Content-Length": "0"}, accepts=(202,)
    ) as response:
        return _location(response, repository.access)


async def _abandon(access: Access, location: str) -> None:
    try:
        async with access.request("DELETE", location, accepts=(202, 204, 404, 405)):
            pass
    except Exception:  # the server forgets uploads by itself; nothing depends on this one being told
        return


def _location(response: aiohttp.ClientResponse, access: Access | None = None) -> str:
    location = response.headers.get("Location", "")
    if not location:
        raise RegistryError("the registry does not say where the upload goes on")
    url = urljoin(str(response.url), location)
    if access is not None:
        access.transport.check_elsewhere(url, access.origin)
    return url


def _check(response: aiohttp.ClientResponse, digest: Digest) -> None:
    stated = response.headers.get("Docker-Content-Digest", "")
    if stated and stated.partition(":")[0] == digest.partition(":")[0] and stated != digest:
        raise RegistryError(f"the registry took {digest} but calls it {stated[:100]!r}")
