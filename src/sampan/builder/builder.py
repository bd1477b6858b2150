"""What can be asked of the builder? Build, prune, and what the cache holds; each told in the file of its name."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any

from sampan.builder.build import Build, Services
from sampan.builder.cache import SCHEMA as CACHE_SCHEMA
from sampan.builder.cache import Cache, context_record, mount_record
from sampan.builder.cache_image import export, inline, take_caches
from sampan.builder.check import check, checks_of
from sampan.builder.context import Kept, Workspace, read_dockerfile, without_ignored
from sampan.builder.dockerfile.stages import Dockerfile, parse_dockerfile
from sampan.builder.graph import global_arguments, plan
from sampan.builder.history import SCHEMA as HISTORY_SCHEMA
from sampan.builder.history import History
from sampan.builder.inputs import Inputs
from sampan.builder.named import named_contexts
from sampan.builder.platforms import Made, each_platform
from sampan.builder.provenance import PREDICATE, provenance
from sampan.builder.remote import remote_context
from sampan.builder.report import Report
from sampan.builder.request import BuildRequest
from sampan.builder.sbom import PREDICATE as SBOM_PREDICATE
from sampan.builder.sbom import sbom
from sampan.builder.solve import Solver
from sampan.builder.squash import squashed
from sampan.builder.state import PROXIES, State, platform_arguments
from sampan.db import Database
from sampan.errors import InvalidRequest
from sampan.events import Events
from sampan.images.image import Image
from sampan.layers.stream import Source
from sampan.oci.config import parse_config
from sampan.oci.digest import short_id
from sampan.oci.strict import encode
from sampan.wire.filters import Filters

__all__ = ["SCHEMA", "Builder", "Cache"]

log = logging.getLogger(__name__)
SCHEMA = CACHE_SCHEMA + HISTORY_SCHEMA
# As dockerd: a tenth of the disk, but never so little that nothing is worth keeping.
KEEP_PART_OF_DISK = 10
KEEP_BYTES_MIN = 2 << 30
MADE_MAX = 4096
PREDEFINED = frozenset(PROXIES) | {
    "SOURCE_DATE_EPOCH", "BUILDKIT_INLINE_CACHE", "BUILDKIT_SYNTAX", "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_MULTI_PLATFORM",
    "BUILDKIT_SANDBOX_HOSTNAME", "BUILDKIT_CONTEXT_KEEP_GIT_DIR", "BUILDKIT_DOCKERFILE_CHECK",
}  # fmt: skip


class Builder:
    """The builds of one engine."""

    def __init__(self, services: Services, database: Database, events: Events | None = None) -> None:
        self.services = services
        self.history = History(database)
        self._made: dict[str, int] = {}
        self.inputs = Inputs(services.workspaces)
        self._events = events

    async def build(self, request: BuildRequest, context: Source | None, report: Report) -> Image:
        """Build an image. `context` is a tar to be read from a thread.

        Raises InvalidRequest with the place in the Dockerfile, NotFound for images, StepFailed for a RUN that failed.
        Nothing is kept of a build that fails but its finished steps.
        """
        async with AsyncExitStack() as held:
            name = request.references[0].familiar if request.references else ""
            record = held.enter_context(self.history.record(name, request.target))
            workspace = held.enter_context(self.services.workspaces.workspace())
            lease = held.enter_context(self.services.images.lease())
            if request.remote:
                request, context = await remote_context(request, workspace)
            named = await named_contexts(request, self.inputs, workspace, held.enter_context(ExitStack()))
            kept, dockerfile = await asyncio.to_thread(self._receive, request, workspace, context)
            await self._lint(request, kept, dockerfile, report)
            keys: list[str] = []
            made = await held.enter_async_context(Made(self.services.images)) if request.platforms else None
            for one in each_platform(request):
                build = Build(
                    services=self.services, request=one, report=report, workspace=workspace, lease=lease, context=kept,
                    record=record, named=named, used_keys=keys,
                )  # fmt: skip
                image = await self._one(build, dockerfile)
                if made is not None:
                    made.ids.append(image.id)
        await asyncio.to_thread(self._bound_the_cache)
        return image

    def _receive(
        self, request: BuildRequest, workspace: Workspace, context: Source | None
    ) -> tuple[Kept | None, Dockerfile]:
        """Take in the context and find the Dockerfile. Raises InvalidRequest, NotFound."""
        kept = None
        if context is not None and request.listed:
            kept = self.services.known_contexts.complete(request.listed, workspace, context)
        elif context is not None:
            kept = workspace.keep(context)
        if request.text is not None:
            return kept, parse_dockerfile(request.text)
        if kept is None:
            raise InvalidRequest("Cannot locate specified Dockerfile: " + request.dockerfile)
        with kept.open() as tree:
            text = read_dockerfile(tree, request.dockerfile)
        kept = without_ignored(kept, request.dockerfile, everything=bool(request.remote))
        return kept, parse_dockerfile(text, name=request.dockerfile)

    async def _lint(self, request: BuildRequest, kept: Kept | None, dockerfile: Dockerfile, report: Report) -> None:
        """`# check=error=true`: what `--check` finds ends the build before it begins. Raises InvalidRequest."""
        if not checks_of(request, dockerfile).error:
            return
        findings = await asyncio.to_thread(check, self.services.images, request, kept, dockerfile)
        for finding in findings:
            await report.tell(f"WARNING: {finding['Rule']} - {finding['Message']}")
        if findings:
            rules = sorted({str(finding["Rule"]) for finding in findings})
            raise InvalidRequest(f"lint violation found for rules: {', '.join(rules)}")

    async def _one(self, build: Build, dockerfile: Dockerfile) -> Image:
        """The image for one platform."""
        request = build.request
        if request.platforms:
            await build.report.tell(f"Building for {request.platform}")
        for sentence in await take_caches(build):
            await build.report.tell(sentence)
        state = await self._solve(build, dockerfile)
        if request.squash and len(state.diff_ids) > state.base_layers:
            await build.in_thread(partial(_squash, build, state))
        image = await build.in_thread(partial(self._image, build, state))
        await asyncio.to_thread(self.services.cache.used, build.used_keys)
        if request.cache_to is not None:
            await build.in_thread(partial(export, build, request.cache_to, state.platform))
        build.record.image = image.id
        if request.tells_parts:
            said = []
            if request.provenance:
                said.append({"PredicateType": PREDICATE, "Predicate": provenance(build)})
            if request.sbom:
                listed = await build.in_thread(partial(sbom, build, image))
                said.append({"PredicateType": SBOM_PREDICATE, "Predicate": listed})
            await build.report.part(image.id, str(image.config.platform), said)
        await self._tell(build, image, dockerfile)
        return image

    def _bound_the_cache(self) -> None:
        """Forget the steps that were not used for the longest time, when all together take too much of the disk."""
        limit = max(KEEP_BYTES_MIN, self.services.workspaces.disk_bytes() // KEEP_PART_OF_DISK)
        if self.services.cache.bytes() > limit:
            _, layers, _ = self.services.cache.prune(Filters(), everything=True, keep_bytes=limit)
            self.services.images.collect(layers, ())

    async def check(self, request: BuildRequest, context: Source | None) -> Sequence[Mapping[str, Any]]:
        """Look at a Dockerfile and build nothing; the warnings. Raises InvalidRequest with the place."""
        async with AsyncExitStack() as held:
            workspace = held.enter_context(self.services.workspaces.workspace())
            if request.remote:
                request, context = await remote_context(request, workspace)
            kept, dockerfile = await asyncio.to_thread(self._receive, request, workspace, context)
            return await asyncio.to_thread(check, self.services.images, request, kept, dockerfile)

    async def _solve(self, build: Build, dockerfile: Dockerfile) -> State:
        request = build.request
        predefined = platform_arguments(request.platform or build.platform, build.platform)
        predefined |= {name: value for name in PREDEFINED if (value := request.arguments.get(name)) is not None}
        variables = global_arguments(dockerfile, request.arguments, predefined)
        target = plan(dockerfile, request.target, variables, request.contexts)
        build.record.steps = target.steps
        solver = Solver(build, target, variables)
        try:
            return await solver.solve()
        finally:
            await build.report.flush()

    def _image(self, build: Build, state: State) -> Image:
        """Write the config and the row, when every layer is on the disk."""
        self.services.layers.settle(state.diff_ids)
        references = [reference.with_default_tag() for reference in build.request.references]
        unchanged = self.services.images.by_id(f"sha256:{state.mark}")
        if unchanged is not None and not unchanged.hidden and not build.request.labels:
            for reference in references:  # nothing was done to the base: it gets one more name
                self.services.images.name(reference, unchanged.id, build.started_ns)
            self._announce(unchanged, [reference.familiar for reference in references])
            return unchanged
        created = next((str(entry["created"]) for entry in reversed(state.history) if entry.get("created")), "")
        if len(state.diff_ids) == state.base_layers:
            # Nothing but settings: it is made now, and the same if it is built again, as far as is remembered.
            key = f"{state.mark} {sorted(build.request.labels.items())}"
            created = build.moment(self._made.setdefault(key, build.started_ns))
            if len(self._made) > MADE_MAX:
                del self._made[next(iter(self._made))]
        config = dict(state.config)
        config["Env"] = [f"{name}={value}" for name, value in state.env.items()] or None
        if build.request.labels:
            config["Labels"] = {**(config.get("Labels") or {}), **build.request.labels}
        document: dict[str, Any] = {
            "architecture": state.platform.architecture,
            **({"author": state.author} if state.author else {}),
            "config": {name: config[name] for name in sorted(config) if config[name] not in (None, "")},
            "created": created or build.moment(build.started_ns),
            "history": state.history,
            "os": state.platform.os,
            "rootfs": {"type": "layers", "diff_ids": state.diff_ids},
            **({"variant": state.platform.variant} if state.platform.variant else {}),
            **inline(build, state.diff_ids),
        }
        image = self.services.images.insert(
            parse_config(encode(document)), references, tagged_ns=build.started_ns if references else 0
        )
        self._announce(image, [reference.familiar for reference in references])
        return image

    def _announce(self, image: Image, names: Sequence[str]) -> None:
        if self._events:
            for name in names:
                self._events.publish("image", "tag", image.id, {**(image.config.run.labels or {}), "name": name})

    async def _tell(self, build: Build, image: Image, dockerfile: Dockerfile) -> None:
        request, report = build.request, build.report
        await report.made(image.id)
        known = build.used_arguments | PREDEFINED | {n for arg in dockerfile.arguments for n, _ in arg.pairs}
        unused = sorted(name for name in request.arguments if name not in known)
        if unused:
            await report.tell(
                f"[Warning] One or more build-args {json.dumps(unused)} were not consumed".replace('"', "")
            )
        await report.tell(f"Successfully built {short_id(image.id)}")
        for reference in request.references:
            await report.tell(f"Successfully tagged {reference.with_default_tag().familiar}")

    def records(self) -> list[dict[str, Any]]:
        """`BuildCache` of `GET /system/df`."""
        caches = self.services.mount_caches.sizes().items()
        contexts = self.services.known_contexts.sizes().items()
        return [
            *self.services.cache.records(),
            *(mount_record(name, size) for name, size in caches),
            *(context_record(key, size) for key, size in contexts),
        ]

    def prune(self, filters: Filters, *, everything: bool, keep_bytes: int = 0) -> dict[str, Any]:
        """`POST /build/prune`. Raises InvalidRequest."""
        keys, layers, freed = self.services.cache.prune(filters, everything=everything, keep_bytes=keep_bytes)
        if everything and not filters:
            names, size = self.services.mount_caches.prune()
            keys, freed = [*keys, *names], freed + size
        if not filters and not keep_bytes:
            contexts, size = self.services.known_contexts.prune()
            keys, freed = [*keys, *contexts], freed + size
        self.services.images.collect(layers, ())
        if self._events:
            self._events.publish("builder", "prune", "", {"reclaimed": str(freed)})
        return {"CachesDeleted": keys or None, "SpaceReclaimed": freed}


def _squash(build: Build, state: State) -> None:
    """The build's own layers become one; the history keeps its lines."""
    kept, own = state.diff_ids[: state.base_layers], len(state.diff_ids) - state.base_layers
    with build.tree(state.diff_ids) as tree, build.tree(kept) as base:
        diff_id = build.ingest(squashed(tree, base, own))
    layers = 0
    for entry in state.history:
        if not entry.get("empty_layer"):
            layers += 1
            if layers > state.base_layers:
                entry["empty_layer"] = True
    state.diff_ids = [*kept, diff_id]
    merged = build.moment(build.started_ns)
    state.history.append({"created": merged, "created_by": "", "comment": f"merge {own} layers to {diff_id}"})
