"""What can be asked of one repository? Manifests, blobs, tags: distribution-spec 1.1, "Pull" and "Content discovery".

What comes back is verified here where it is small: a manifest has the digest that was asked for, or its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from sampan.errors import InvalidRequest
from sampan.oci.digest import Digest, digest_of, is_digest, parse_digest
from sampan.oci.fields import Fields
from sampan.oci.media_types import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from sampan.oci.reference import Reference
from sampan.oci.strict import decode
from sampan.registry.access import Access
from sampan.registry.failure import Absent, RegistryError, of_exception
from sampan.registry.transport import read_document

MANIFEST_BYTES = 4 << 20
TAGS_MAX = 10_000
PAGES_MAX = 1000
ACCEPTED = (DOCKER_MANIFEST, DOCKER_INDEX, OCI_MANIFEST, OCI_INDEX)
_ACCEPT = {"Accept": ", ".join((*ACCEPTED, "*/*"))}


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index as it came."""

    media_type: str
    digest: Digest
    data: bytes


class Repository:
    """The repository `path` of a server."""

    def __init__(self, access: Access, path: str) -> None:
        self.access = access
        self.path = path

    async def manifest(self, reference: str) -> Document:
        """The manifest with a tag or digest. Raises Absent, RegistryError, InvalidRequest when it is another."""
        async with self.access.request("GET", f"{self.path}/manifests/{reference}", headers=_ACCEPT) as response:
            data = await read_document(response, MANIFEST_BYTES, self.access.patience_seconds, "the manifest")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            stated = response.headers.get("Docker-Content-Digest", "")
        digest = digest_of(data)
        if is_digest(reference) and digest != reference:
            raise InvalidRequest(f"manifest verification failed for digest {reference}: it has digest {digest}")
        if stated and not reference.startswith("sha256:") and stated != digest and stated.startswith("sha256:"):
            raise InvalidRequest(f"manifest verification failed: the registry says {stated}, it has digest {digest}")
        # Some servers do not say what they deliver; then the document has to.
        return Document(media_type if media_type in ACCEPTED else _unstated(media_type), digest, data)

    def url_of(self, reference: Reference) -> str:
        """Where the manifest of a name is, as it may be shown."""
        return f"{self.access.base}/v2/{self.path}/manifests/{reference.digest or reference.with_default_tag().tag}"

    async def find_manifest(self, reference: str) -> tuple[str, Digest, int] | None:
        """Media type, digest and size of a manifest without fetching it; None when it is not there."""
        try:
            async with self.access.request("HEAD", f"{self.path}/manifests/{reference}", headers=_ACCEPT) as response:
                digest = response.headers.get("Docker-Content-Digest", "")
                media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
                return (media_type, digest, response.content_length or 0) if is_digest(digest) else None
        except Absent:
            return None

    async def blob(self, digest: Digest, size: int) -> bytes:
        """A small blob, verified. Raises Absent, RegistryError, InvalidRequest."""
        if size > MANIFEST_BYTES:
            raise InvalidRequest(f"blob {digest} is too large: {size} bytes, at most {MANIFEST_BYTES}")
        async with self.access.request("GET", self._blob(digest)) as response:
            data = await read_document(response, MANIFEST_BYTES, self.access.patience_seconds, f"blob {digest}")
        if len(data) != size:
            raise RegistryError(f"blob {digest} has {len(data)} bytes, expected {size}")
        if digest.startswith("sha256:") and digest_of(data) != digest:
            raise InvalidRequest(f"filesystem layer verification failed for digest {digest}")
        return data

    async def has_blob(self, digest: Digest) -> int | None:
        """The size of a blob that is in the repository; None when it is not."""
        try:
            async with self.access.request("HEAD", self._blob(digest)) as response:
                return response.content_length or 0
        except Absent:
            return None

    @asynccontextmanager
    async def open_blob(self, digest: Digest, size: int, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a blob from `offset` on, at most up to `size`; whoever reads verifies them.

        Raises Absent, and RegistryError also while reading.
        """
        headers = {"Range": f"bytes={offset}-{size - 1}"} if offset else {}
        async with self.access.request("GET", self._blob(digest), headers=headers, accepts=(200, 206)) as response:
            skip = _to_skip(response, offset, size)
            pieces = self._pieces(response, size - offset, skip)
            try:
                yield pieces
            finally:
                await pieces.aclose()  # type: ignore[attr-defined]  # it is an async generator

    async def _pieces(self, response: aiohttp.ClientResponse, wanted: int, skip: int) -> AsyncIterator[bytes]:
        patience = self.access.transport.settings.patience
        loop = asyncio.get_running_loop()
        begin, received, left = loop.time(), 0, wanted
        try:
            async for piece in response.content.iter_any():
                received += len(piece)
                now = loop.time()
                if now - begin > patience.window:
                    if received < patience.least_bytes:
                        raise RegistryError(
                            f"the registry sends too slowly: {received} bytes in {now - begin:.0f} seconds", passes=True
                        )
                    begin, received = now, 0
                if skip:
                    piece, skip = piece[skip:], max(0, skip - len(piece))
                if len(piece) > left:
                    raise InvalidRequest("the registry sends more bytes than the blob has")
                left -= len(piece)
                if piece:
                    yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise of_exception(error, "Get", str(response.url)) from None
        if left:
            raise RegistryError(f"unexpected EOF: the blob is cut, {left} of {wanted} bytes are missing", passes=True)

    async def tags(self) -> list[str]:
        """Every tag, at most TAGS_MAX. Raises Absent, RegistryError."""
        found: list[str] = []
        url = f"{self.path}/tags/list"
        for _ in range(PAGES_MAX):
            async with self.access.request("GET", url) as response:
                data = await read_document(response, MANIFEST_BYTES, self.access.patience_seconds, "the list of tags")
                following = response.links["next"].get("url") if "next" in response.links else None
                here = str(response.url)
            found += Fields(decode(data, what="list of tags"), "list of tags").texts("tags") or ()
            if following is None or len(found) >= TAGS_MAX:
                break
            # Only where it goes on is believed, not at which server.
            parts, home = urlsplit(str(following)), urlsplit(here)
            url = f"{home.scheme}://{home.netloc}{parts.path}?{parts.query}"
        return found[:TAGS_MAX]

    def _blob(self, digest: Digest) -> str:
        return f"{self.path}/blobs/{parse_digest(digest)}"


def _unstated(media_type: str) -> str:
    return "" if media_type in ("", "application/json", "application/octet-stream", "text/plain") else media_type


def _to_skip(response: aiohttp.ClientResponse, offset: int, size: int) -> int:
    """How many bytes of the body come before `offset`. Raises RegistryError, InvalidRequest."""
    length = response.content_length
    if response.status == 200:
        if length is not None and length > size:
            raise InvalidRequest(f"the registry sends {length} bytes for a blob of {size}")
        return offset
    said = response.headers.get("Content-Range", "")
    if not offset or not said.replace(" ", "").startswith(f"bytes{offset}-"):
        raise RegistryError(f"the registry answers with another range than asked for: {said[:60]!r}")
    return 0
