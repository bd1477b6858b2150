"""What does every request to the registry go through?

    path ─► route ─► gate (who is it, may they?) ─► the route's function ─► answer
                                                         └─ raises Refusal ─► the specification's error body

The paths are those of distribution-spec, "Endpoints". Names are matched by their grammar before anything is done with
them, and never become part of a path on disk.
"""

import asyncio
import errno
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from sampan.errors import Unavailable
from sampan.registry.serve import blobs, lists, manifests, pushes
from sampan.registry.serve.auth import CATALOG, DELETE, PULL, PUSH, Gate
from sampan.registry.serve.body import SECONDS
from sampan.registry.serve.call import SERVED_BY, Call
from sampan.registry.serve.collect import collect
from sampan.registry.serve.metrics import Metrics
from sampan.registry.serve.names import check_name
from sampan.registry.serve.refusal import LATER, NO_SPACE, Refusal
from sampan.registry.serve.store import RegistryStore
from sampan.registry.serve.upstream import Upstream

_log = logging.getLogger("sampan.registry")

Function = Callable[[Call], Awaitable[web.StreamResponse]]
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
ACTIONS = {"GET": PULL, "HEAD": PULL, "DELETE": DELETE}


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of path, and a function for each method it has."""

    kind: str
    pattern: re.Pattern[str]
    functions: Mapping[str, Function]


def _route(kind: str, pattern: str, **functions: Function) -> Route:
    expression = pattern.replace("NAME", "(?P<name>.+)").replace("REST", "(?P<rest>[^/]+)")
    if "GET" in functions and "uploads" not in kind:
        functions.setdefault("HEAD", functions["GET"])
    return Route(kind, re.compile(expression), functions)


ROUTES = (
    _route("base", "/v2/?", GET=lists.base),
    _route("catalog", "/v2/_catalog", GET=lists.catalog),
    _route("tags", "/v2/NAME/tags/list", GET=lists.tags),
    _route("manifests", "/v2/NAME/manifests/REST", GET=manifests.get, PUT=manifests.put, DELETE=manifests.delete),
    _route("uploads", "/v2/NAME/blobs/uploads/?", POST=pushes.begin),
    _route(
        "uploads", "/v2/NAME/blobs/uploads/REST", GET=pushes.progress, PATCH=pushes.append, PUT=pushes.finish,
        DELETE=pushes.cancel,
    ),
    _route("blobs", "/v2/NAME/blobs/REST", GET=blobs.get, DELETE=blobs.delete),
    _route("referrers", "/v2/NAME/referrers/REST", GET=lists.referrers),
)  # fmt: skip


@dataclass(slots=True)
class Registry:
    """One registry: what it has, who may come in, what it counts."""

    store: RegistryStore
    gate: Gate
    read_only: bool = False
    patience: float = SECONDS
    upstream: Upstream | None = None
    metrics: Metrics = field(default_factory=Metrics)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        began = time.monotonic()
        kind = "none"
        try:
            route, call = self._find(request)
            kind = route.kind
            response = await self._answer(route, call)
        except Refusal as refusal:
            _cut_if_begun(request)
            response = self._refused(request, refusal)
        except Unavailable as error:  # the database cannot be written
            response = self._refused(request, Refusal("UNKNOWN", str(error), status=LATER))
        except OSError as error:
            if isinstance(error, ConnectionError) or request.transport is None:
                raise
            _cut_if_begun(request)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if not full:
                _log.exception("%s %s failed", request.method, request.raw_path)
            sentence = "no space left on the registry's disk" if full else "internal error"
            response = self._refused(request, Refusal("UNKNOWN", sentence, status=NO_SPACE if full else 0))
        except Exception:
            if request.transport is None:
                raise  # the client has left
            _cut_if_begun(request)
            _log.exception("%s %s failed", request.method, request.raw_path)
            response = self._refused(request, Refusal("UNKNOWN", "internal error"))
        for name, value in SERVED_BY.items():
            response.headers.setdefault(name, value)
        method = request.method if request.method in METHODS else "other"  # what a stranger makes up is no label
        self.metrics.answered(method, kind, response.status, time.monotonic() - began)
        _log.info("%s %s %d %s", request.method, request.raw_path[:300], response.status, request.remote)
        return response

    async def collect(self, *, grace_seconds: float, untagged: bool) -> None:
        """Give back the space of what is of no use."""
        found = await asyncio.to_thread(collect, self.store, grace_seconds=grace_seconds, untagged=untagged)
        self.metrics.count("registry_collections_total")
        self.metrics.count("registry_collected_bytes_total", found.bytes)
        if found.bytes or found.links or found.manifests or found.uploads:
            _log.info("collected %s", json.dumps({n: getattr(found, n) for n in found.__slots__}))

    def _find(self, request: web.BaseRequest) -> tuple[Route, Call]:
        for route in ROUTES:
            if match := route.pattern.fullmatch(request.path):
                parts = match.groupdict()
                return route, Call(self, request, parts.get("name", ""), parts.get("rest", ""))
        raise Refusal("NAME_UNKNOWN", "no such path in the distribution API")

    async def _answer(self, route: Route, call: Call) -> web.StreamResponse:
        method = call.request.method
        function = route.functions.get(method)
        action = CATALOG if route.kind == "catalog" else ACTIONS.get(method, PUSH)
        if route.kind == "uploads":
            action = PUSH
        await self.gate.check(call.request, call.name, action)
        if function is None:
            allowed = {"Allow": ", ".join(sorted(route.functions))}
            raise Refusal("UNSUPPORTED", f"{method} is not supported here", headers=allowed)
        if (self.read_only or self.upstream) and action in (PUSH, DELETE):
            why = "a cache of another registry" if self.upstream else "read-only"
            raise Refusal("UNSUPPORTED", f"the registry is {why}")
        if call.name:
            check_name(call.name)
        return await function(call)

    def _refused(self, request: web.BaseRequest, refusal: Refusal) -> web.Response:
        body = b"" if request.method == "HEAD" else refusal.body()
        response = web.Response(
            status=refusal.status, body=body, headers=refusal.headers, content_type="application/json"
        )
        if request.can_read_body and not request.content.is_eof():
            response.force_close()  # what is still to come is not read
        return response


def _cut_if_begun(request: web.BaseRequest) -> None:
    """When the head has gone out with another status, cutting the connection is the only honest answer left."""
    if request.writer.output_size and request.transport is not None:
        request.transport.abort()
        raise ConnectionResetError("the answer failed in its middle")
