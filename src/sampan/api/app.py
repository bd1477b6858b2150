"""What does every request go through?

    version ─► route ─► the route's function ─► answer
                              └─ raises ─► `status.py` ─► {"message": …}

A client that leaves takes with it what only watched (logs, events, wait); what changes something is finished, as nobody
would know how far it had come otherwise.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from sampan.api import reply, table
from sampan.api.about import About
from sampan.api.call import Call
from sampan.api.connection import Connection
from sampan.api.hijack import Hijacked
from sampan.api.status import sentence_of, status_of
from sampan.builder.builder import Builder
from sampan.containers.store import Containers
from sampan.errors import NotFound
from sampan.events import Events
from sampan.images.distribution import Distribution
from sampan.images.images import Images
from sampan.networks.store import Networks
from sampan.volumes.store import Volumes
from sampan.wire import versions

_log = logging.getLogger("sampan.api")


@dataclass(frozen=True, slots=True)
class Engine:
    """What the routes call."""

    containers: Containers
    images: Images
    networks: Networks
    volumes: Volumes
    events: Events
    about: About
    distribution: Distribution
    builder: Builder


class App:
    """The API of one engine: the handler that `connection.Server` gives every request to."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._unfinished: set[asyncio.Task[web.StreamResponse]] = set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except ConnectionError:
            raise  # the client has left; aiohttp closes
        except Exception as error:
            if request.writer.output_size:
                # The head has gone out with another status: cutting the connection is the only honest answer left.
                if request.transport is not None:
                    request.transport.abort()
                return Hijacked()
            return reply.failure(status_of(error), sentence_of(error))

    async def drain(self) -> None:
        """Wait for what was begun to change something."""
        await asyncio.gather(*self._unfinished, return_exceptions=True)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        # The query holds no secrets (credentials are headers); quoted, so that a client cannot forge lines of the log.
        _log.debug("called method=%s path=%r", request.method, request.path_qs)
        version, path = versions.split(request.path)
        if request.method == "OPTIONS":
            return reply.empty(200)
        found = table.find(request.method, path)
        if found is None:
            raise NotFound("page not found")
        versions.check(version)
        route, variables = found
        call = Call(request, version, variables)
        if not (route.watches(call) if callable(route.watches) else route.watches):
            return await self._to_its_end(route.function(self.engine, call))
        connection = cast(Connection, request.protocol)
        if connection.has_ended:
            raise ConnectionResetError("nobody is there to watch")
        connection.watching = True
        try:
            return await route.function(self.engine, call)
        finally:
            connection.watching = False

    async def _to_its_end(self, work: Coroutine[Any, Any, web.StreamResponse]) -> web.StreamResponse:
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: "asyncio.Task[web.StreamResponse]") -> None:
        self._unfinished.discard(task)
        # Asked for here, too: when the client has left, nobody else does, and asyncio would call that a mistake.
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("failed request=%s", error)
