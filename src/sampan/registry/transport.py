"""How is one HTTP request made to a registry, and what may the answer do?

    request ─► the endpoint's origin, with Authorization
                 └─ 3xx ─► another origin, without it ─► … at most MAX_REDIRECTS hops

A registry may say where a blob is, and so could make this machine ask places that only it can reach: what a registry
names must be https (or its own host, where http is good enough for that), and neither link-local nor loopback unless
the registry itself is there (security.md D01–D03, D08). Every wait is bounded, every document has a limit.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from sampan import __version__
from sampan.errors import Forbidden
from sampan.registry.auth import origin_of
from sampan.registry.endpoint import as_address, host_name, is_insecure
from sampan.registry.failure import RegistryError, of_exception, shown_url
from sampan.registry.proxy import proxy_for
from sampan.registry.settings import Settings
from sampan.registry.tls import make_context

MAX_REDIRECTS = 10
READ_BYTES = 512 << 10
FIELD_BYTES = 32 << 10
FIELDS = 128
_REDIRECTS = (301, 302, 303, 307, 308)
_CONNECTION_FAILURES = (aiohttp.ClientError, OSError, asyncio.TimeoutError)


class Transport:
    """The connections of one engine to registries. Belongs to the event loop that uses it first."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._named: aiohttp.ClientSession | None = None
        self._elsewhere: aiohttp.ClientSession | None = None
        self._contexts: dict[tuple[str, bool], Any] = {}

    async def close(self) -> None:
        """Close every connection."""
        for session in (self._named, self._elsewhere):
            if session is not None:
                await session.close()
        self._named = self._elsewhere = None

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        origin: str,
        verify: bool,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, its body unread; GET and HEAD are redirected. `origin` is the registry's own.

        `Authorization` in `headers` is for `origin` alone. Raises RegistryError, Forbidden.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(method, url, origin, verify, headers or {}, body)
            try:
                location = response.headers.get("Location", "")
                if response.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                    yield response
                    return
            finally:
                response.release()
            url = urljoin(url, location)
            self.check_elsewhere(url, origin)
        raise RegistryError(f"{method.capitalize()} {shown_url(url)!r}: stopped after {MAX_REDIRECTS} redirects")

    def check_elsewhere(self, url: str, origin: str) -> None:
        """Whether a place that the registry at `origin` names may be asked. Raises Forbidden."""
        parts = urlsplit(url)
        place, home = parts.hostname or "", urlsplit(origin).hostname or ""
        if parts.scheme not in ("http", "https") or not place or parts.username or parts.password:
            raise Forbidden(f"the registry names a place that is no URL: {shown_url(url)!r}")
        if origin_of(url) == origin_of(origin):
            return
        if parts.scheme == "http":
            has_http = origin.startswith("http://") and (
                place == home or is_insecure(parts.netloc, self.settings, look_up=False)
            )
            if not has_http:
                raise Forbidden(f"the registry names a place without TLS: {shown_url(url)!r}: refused")
        if place != home and not _is_local(home) and _is_local(place):
            raise Forbidden(f"the registry names a place inside this machine: {shown_url(url)!r}: refused")
        address = as_address(place)
        if address and address.is_link_local:
            raise Forbidden(f"the registry names a link-local address: {shown_url(url)!r}: refused")

    async def _send(
        self, method: str, url: str, origin: str, verify: bool, headers: Mapping[str, str], body: Any
    ) -> aiohttp.ClientResponse:
        at_home = origin_of(url) == origin_of(origin)
        sent = {"User-Agent": f"sampan/{__version__}", "Accept-Encoding": "identity", **headers}
        if not at_home:
            sent.pop("Authorization", None)
        settings = self.settings
        proxy = proxy_for(
            url, http_proxy=settings.http_proxy, https_proxy=settings.https_proxy, no_proxy=settings.no_proxy
        )
        same_host = urlsplit(url).hostname == urlsplit(origin).hostname
        session = self._session(is_named=same_host or _is_local(urlsplit(origin).hostname or ""))
        try:
            return await session.request(
                method, url, headers=sent, data=body, allow_redirects=False, proxy=proxy or None,
                ssl=await self._context(url, verify=verify or not same_host),
                skip_auto_headers=("Content-Type", "Accept"),
            )  # fmt: skip
        except _CONNECTION_FAILURES as error:
            raise of_exception(error, method, url) from None
        except ValueError as error:  # aiohttp's and yarl's for URLs and fields that cannot be
            raise RegistryError(f"{method.capitalize()} {shown_url(url)!r}: {error}") from None

    async def _context(self, url: str, *, verify: bool) -> Any:
        parts = urlsplit(url)
        if parts.scheme != "https":
            return True
        if not verify and not await asyncio.to_thread(is_insecure, parts.netloc, self.settings):
            verify = True
        key = (parts.netloc, verify)
        if key not in self._contexts:
            context = await asyncio.to_thread(make_context, parts.netloc, self.settings.certs, verify=verify)
            if len(self._contexts) > 64:
                self._contexts.clear()
            self._contexts[key] = context
        return self._contexts[key]

    def _session(self, *, is_named: bool) -> aiohttp.ClientSession:
        if is_named:
            if self._named is None:
                self._named = self._open(None)
            return self._named
        if self._elsewhere is None:
            self._elsewhere = self._open(OutsideResolver())
        return self._elsewhere

    def _open(self, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
        patience = self.settings.patience
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, limit=64, keepalive_timeout=10),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=patience.connect * 4, sock_connect=patience.connect, sock_read=patience.idle
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # digests are over what was sent
            trust_env=False,
            read_bufsize=READ_BYTES,
            max_line_size=FIELD_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=FIELDS,
        )


class OutsideResolver(AbstractResolver):
    """Looks up names for places that a registry named: none of them is inside this machine."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`, without those that only this machine can reach."""
        found = await self._resolver.resolve(host, port, family)
        kept = [each for each in found if not _is_inside(each["host"])]
        if not kept:
            raise OSError(None, f"{host} is a name for this machine: refused")
        return kept

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def _is_inside(text: str) -> bool:
    address = as_address(text.partition("%")[0])
    return address is None or address.is_loopback or address.is_link_local or address.is_unspecified


def _is_local(name: str) -> bool:
    """Whether a host is, by its name, this machine."""
    address = as_address(host_name(name) if "." in name else name)
    return name == "localhost" or name.endswith(".localhost") or bool(address and _is_inside(str(address)))


async def read_document(response: aiohttp.ClientResponse, limit: int, seconds: float, what: str) -> bytes:
    """All of a small body. Raises RegistryError when it is larger than `limit`, or does not come within `seconds`."""
    too_large = RegistryError(f"{what} is larger than the limit of {limit} bytes")
    if (response.content_length or 0) > limit:
        raise too_large
    received = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in response.content.iter_any():
                received += chunk
                if len(received) > limit:
                    raise too_large
    except _CONNECTION_FAILURES as error:
        raise of_exception(error, response.method, str(response.url)) from None
    return bytes(received)
