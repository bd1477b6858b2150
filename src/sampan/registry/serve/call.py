"""What was asked of the registry, and what do answers look like?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from sampan import __version__
from sampan.oci.digest import Digest
from sampan.registry.serve.names import check_digest
from sampan.registry.serve.refusal import Refusal

if TYPE_CHECKING:
    from sampan.registry.serve.app import Registry

PAGE = 1000
SERVED_BY = {"Docker-Distribution-Api-Version": "registry/2.0", "Server": f"sampan/{__version__}"}
"""The headers of every answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `name` is the repository's ("" where there is none), `rest` what the path ends in."""

    registry: "Registry"
    request: web.BaseRequest
    name: str = ""
    rest: str = ""

    @property
    def digest(self) -> Digest:
        """The digest that the path ends in. Raises Refusal."""
        return check_digest(self.rest)

    def query(self, key: str) -> str:
        """A value of the query; "" when it is not given."""
        return self.request.query.get(key, "")

    def page(self) -> tuple[int, str]:
        """How many entries are wanted, and behind which. Raises Refusal."""
        text = self.query("n")
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Refusal("UNSUPPORTED", f"n={text[:20]!r} is no number of entries", status=400)
        return min(int(text) if text else PAGE, PAGE), self.query("last")


def answer(
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """A short answer."""
    response = web.Response(status=status, headers=headers, body=body)
    if body is not None:
        response.headers["Content-Type"] = content_type
    return response
