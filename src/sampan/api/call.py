"""What was asked: version, path variables, query and body of one request, parsed.

Query values follow dockerd: a flag is true unless it is "", 0, no, false or none; a number that is none is refused in
strconv's words. Bodies are read up to a limit, in a limited time, and only when they say that they are JSON.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from aiohttp import web

from sampan.errors import InvalidRequest
from sampan.wire import filters, timestamps
from sampan.wire.bodies import decode
from sampan.wire.json import BODY_LIMIT
from sampan.wire.versions import Version

T = TypeVar("T", bound=msgspec.Struct)
BODY_SECONDS = 60
_UNTRUE = ("", "0", "no", "false", "none")
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `variables` are the parts of the path that the route names."""

    request: web.BaseRequest
    version: Version
    variables: Mapping[str, str]

    @property
    def name(self) -> str:
        """The container, image or exec that the path names."""
        return self.variables["name"]

    @property
    def wants_upgrade(self) -> bool:
        """Whether the client asked for the connection itself (`Upgrade: tcp`)."""
        return "Upgrade" in self.request.headers

    def text(self, key: str) -> str:
        """A value of the query; "" when it is not given."""
        return self.request.query.get(key, "")

    def texts(self, key: str) -> list[str]:
        """All values that the query gives for one key."""
        return self.request.query.getall(key, [])

    def flag(self, key: str, default: bool = False) -> bool:
        """A yes or no of the query."""
        if key not in self.request.query:
            return default
        return self.request.query[key].strip().lower() not in _UNTRUE

    def integer(self, key: str) -> int | None:
        """A number of the query; None when it is not given. Raises InvalidRequest."""
        value = self.text(key)
        if not value:
            return None
        digits = value.removeprefix("-").removeprefix("+")
        if not (digits.isascii() and digits.isdigit()):
            raise InvalidRequest(f'strconv.Atoi: parsing "{value}": invalid syntax')
        if len(digits) > 19 or not -_INT64 <= int(value) < _INT64:
            raise InvalidRequest(f'strconv.Atoi: parsing "{value}": value out of range')
        return int(value)

    def size(self) -> tuple[int, int]:
        """Rows and columns of a terminal (`h`, `w`), both required. Raises InvalidRequest."""
        rows, columns = self.integer("h"), self.integer("w")
        if rows is None or columns is None:
            raise InvalidRequest('strconv.Atoi: parsing "": invalid syntax')
        return rows, columns

    def moment(self, key: str) -> int | None:
        """A point in time, unix nanoseconds; None when it is not given. Raises InvalidRequest."""
        return timestamps.optional(self.text(key))

    def filters(self) -> filters.Filters:
        """The `filters` of the query. Raises InvalidRequest."""
        return filters.parse(self.text("filters"))

    async def body(self, kind: type[T]) -> T:
        """The JSON body as `kind`. Raises InvalidRequest."""
        return decode(await self.json(), kind)

    async def json(self) -> bytes:
        """The bytes of a JSON body, b"" when there is none. Raises InvalidRequest for other types and too many."""
        request = self.request
        if not request.body_exists or request.content_length == 0:
            return b""
        content_type = request.headers.get("Content-Type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest(f"unsupported Content-Type header ({content_type}): must be 'application/json'")
        too_large = f"the request body is larger than the limit of {BODY_LIMIT} bytes"
        if (request.content_length or 0) > BODY_LIMIT:
            raise InvalidRequest(too_large)
        self.say_continue()
        received = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.content.iter_any():
                    received += chunk
                    if len(received) > BODY_LIMIT:
                        raise InvalidRequest(too_large)
        except TimeoutError:
            raise InvalidRequest(f"the request body did not arrive within {BODY_SECONDS} seconds") from None
        return bytes(received)

    def say_continue(self) -> None:
        """Answer `Expect: 100-continue` (RFC 9110, 10.1.1): the body is wanted now."""
        if self.request.headers.get("Expect", "").lower() == "100-continue" and self.request.transport:
            self.request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
