"""How does one get at one repository of one server, with somebody's credentials?

    ping /v2/ (which scheme? which challenge?) ─► grant for the scope ─► requests, each with the grant
                                                       └─ 401 ─► the grant is made again, once

The grant goes to the server's own origin and nowhere else; see `transport`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sampan.errors import SampanError
from sampan.registry.auth import TOKEN_BYTES, Grant, TokenAnswer, TokenRequest, Tokens, authorize, origin_of
from sampan.registry.challenge import Challenge, parse_challenges
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.endpoint import Endpoint
from sampan.registry.failure import RegistryError, of_status
from sampan.registry.transport import Transport, read_document

ERROR_BYTES = 64 << 10
_GOOD = (200, 201, 202, 204, 206)


class Access:
    """One server, one set of credentials, some scopes (`repository:NAME:pull`). Lives as long as one operation."""

    def __init__(
        self, transport: Transport, endpoint: Endpoint, credentials: Credentials, scopes: Iterable[str] = ()
    ) -> None:
        self.endpoint = endpoint
        self.base = ""
        self._transport = transport
        # A mirror is somebody else: the registry's credentials are none of its business.
        self._credentials = ANONYMOUS if endpoint.is_mirror else credentials
        self._scopes = tuple(scopes)
        self._tokens = Tokens()
        self._challenges: list[Challenge] = []
        self._opening = asyncio.Lock()
        self._granting = asyncio.Lock()

    @property
    def origin(self) -> str:
        """Scheme, host and port of the server; known once it has been pinged."""
        return origin_of(self.base)

    @property
    def patience_seconds(self) -> float:
        """How long a document may take."""
        return self._transport.settings.patience.document

    @property
    def transport(self) -> Transport:
        """What the requests go over."""
        return self._transport

    async def open(self) -> None:
        """Find out how the server is spoken to. Raises RegistryError when it cannot be reached."""
        async with self._opening:
            if self.base:
                return
            for base in self.endpoint.bases:
                try:
                    await self._ping(base)
                    return
                except RegistryError:
                    if base == self.endpoint.bases[-1]:
                        raise

    async def log_in(self) -> str:
        """Whether the credentials are good; an identity token if the server gives one. Raises Unauthorized."""
        await self.open()
        grant = await self._grant(offline=True) if self._challenges else None
        headers = {"Authorization": grant.value} if grant else {}
        url = f"{self.base}/v2/"
        async with self._transport.request(
            "GET", url, origin=self.origin, verify=self.endpoint.verify, headers=headers
        ) as response:
            if response.status != 200:
                raise await failure(response)
        return grant.refresh_token if grant else ""

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        accepts: tuple[int, ...] = _GOOD,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with one of the statuses in `accepts`. `url` is absolute, or a path below `/v2/`.

        A 401 is answered once, if the body can be sent again. Raises SampanError for any other status.
        """
        await self.open()
        if "://" not in url:
            url = f"{self.base}/v2/{url}"
        again = not hasattr(body, "__anext__")  # a stream that was begun cannot be sent a second time
        for attempt in (1, 2):
            used = await self._authorization()
            sent = {**(headers or {}), **({"Authorization": used} if used else {})}
            async with self._transport.request(
                method, url, origin=self.origin, verify=self.endpoint.verify, headers=sent, body=body
            ) as response:
                if response.status in accepts:
                    yield response
                    return
                at_home = origin_of(str(response.url)) == self.origin
                challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
                if response.status != 401 or not challenges or attempt == 2 or not again or not at_home:
                    raise await failure(response)
                self._challenges = challenges
                self._tokens.forget(self.origin, self._scopes)

    async def _ping(self, base: str) -> None:
        url = f"{base}/v2/"
        async with self._transport.request("GET", url, origin=origin_of(base), verify=self.endpoint.verify) as response:
            if response.status == 401:
                self._challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
            elif response.status >= 500 or response.status == 429:
                raise await failure(response)
            if response.status == 400 and base.startswith("https://") and len(self.endpoint.bases) > 1:
                raise await failure(response)
        self.base = base

    async def _authorization(self) -> str:
        if not self._challenges:
            return ""
        async with self._granting:
            known = self._tokens.get(self.origin, self._scopes)
            return known or (await self._grant()).value

    async def _grant(self, *, offline: bool = False) -> Grant:
        realms = self._transport.settings.host(self.endpoint.registry).token_realms
        flow = authorize(
            self.origin, self._challenges, self._credentials, self._scopes, trusted_realms=realms, offline=offline
        )
        try:
            request = next(flow)
            while True:
                request = flow.send(await self._ask(request))
        except StopIteration as ended:
            grant: Grant = ended.value
        self._tokens.put(self.origin, self._scopes, grant)
        return grant

    async def _ask(self, request: TokenRequest) -> TokenAnswer:
        """Put a request to the token server; it is an origin of its own, for which `auth` allowed the credentials."""
        if not self._is_trusted(request.url):
            self._transport.check_elsewhere(request.url, self.origin)
        headers = {"Authorization": request.authorization} if request.authorization else {}
        body = None
        if request.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(request.form).encode()
        async with self._transport.request(
            "GET" if body is None else "POST", request.url, origin=origin_of(request.url),
            verify=self.endpoint.verify, headers=headers, body=body,
        ) as response:  # fmt: skip
            data = await read_document(response, TOKEN_BYTES, self.patience_seconds, "the token server's answer")
            if response.status == 429 or response.status >= 500:
                raise of_status(response.status, response.reason or "", data[:ERROR_BYTES])
            return TokenAnswer(response.status, data)

    def _is_trusted(self, url: str) -> bool:
        realms = self._transport.settings.host(self.endpoint.registry).token_realms
        return any(origin_of(realm) == origin_of(url) for realm in realms)


async def failure(response: aiohttp.ClientResponse) -> SampanError:
    """What an answer that is not good means; reads some of its body."""
    try:
        body = await read_document(response, ERROR_BYTES, 10, "the registry's error")
    except RegistryError:
        body = b""
    return of_status(
        response.status,
        response.reason or "",
        body,
        retry_after=response.headers.get("Retry-After", ""),
        limit=response.headers.get("RateLimit-Limit", ""),
    )
