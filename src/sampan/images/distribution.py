"""What can be asked of images and registries together?

The verbs, one line of story each; the story is in the file of its name. Unlike `images`, these wait for a network and
so are coroutines; what blocks (files, hashes) goes to threads on the way.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.errors import InvalidRequest, NotFound
from sampan.events import Events
from sampan.images import about_registry, bundle, pull, push, push_index
from sampan.images.image import Image
from sampan.images.progress import Emit
from sampan.images.repair import check
from sampan.images.resolve import all_tags, find
from sampan.images.store import ImageStore
from sampan.images.transfers import Transfers
from sampan.layers.examine import Condition
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform, satisfies
from sampan.oci.reference import DEFAULT_DOMAIN, Reference, parse_normal, parse_reference, with_tag
from sampan.registry.client import Registries
from sampan.registry.credentials import Credentials, address_of
from sampan.registry.repository import Document
from sampan.registry.settings import Settings
from sampan.wire.build import BundleBody
from sampan.wire.filters import Filters
from sampan.wire.images import ManifestPush

SEARCH_LIMIT = 25


class Distribution:
    """Moving images between one engine and registries."""

    def __init__(self, store: ImageStore, registries: Registries, *, events: Events | None = None) -> None:
        self.registries = registries
        self._store = store
        self._events = events
        self._downloads: Transfers[Digest] = Transfers(registries.settings.downloads)
        self._reloading: asyncio.Task[None] | None = None
        self._uploads = asyncio.Semaphore(registries.settings.uploads)

    async def pull(
        self, name: str, tag: str, credentials: Credentials, emit: Emit, *, platform: Platform | None = None
    ) -> None:
        """`POST /images/create?fromImage=…`: one image, or all tags when neither tag nor digest is given.

        Raises SampanError with dockerd's sentences.
        """
        reference = reference_of(name, tag)
        names = [reference] if not reference.is_name_only else await self._tags(reference, credentials)
        is_new = False
        for each in names:
            image, changed = await pull.pull(
                self._store, self._downloads, self.registries, each, credentials, emit, platform=platform
            )
            is_new = is_new or changed
            self._announce("pull", each, image)
        emit(pull.message_of(reference, is_new))

    async def verify(self, names: Sequence[str], credentials: Credentials, emit: Emit, *, repair: bool = False) -> None:
        """`POST /images/verify`: look at all that images (none named: all) are made of. Raises NotFound."""
        images = await asyncio.to_thread(lambda: [self._store.find(name) for name in names] or self._store.all())
        shown = {image.id: next(iter(image.repo_tags or image.repo_digests), image.id) for image in images}

        async def fetch(reference: Reference, emit: Emit) -> None:
            await pull.pull(self._store, self._downloads, self.registries, reference, credentials, emit)

        tally = {"Checked": 0, "Damaged": 0, "Repaired": 0}
        async for found in check(self._store, images, fetch, emit, repair=repair):
            tally["Checked"] += 1
            tally["Damaged"] += not found.is_sound
            tally["Repaired"] += bool(found.repaired)
            if found.condition is not Condition.SOUND:
                users = ", ".join(shown[image_id] for image_id in found.images)
                done = f"; {found.repaired}" if found.repaired else ""
                emit({"status": f"{found.kind} {found.digest} of {users}: {found.condition.value}{done}"})
        emit({"aux": tally})

    async def push(
        self, name: str, tag: str, credentials: Credentials, emit: Emit, *, platform: Platform | None = None
    ) -> None:
        """`POST /images/{name}/push`: one tag, or all that the repository has here. Raises SampanError."""
        reference = reference_of(name, tag)
        if reference.digest:
            raise InvalidRequest("cannot push a digest reference")
        emit({"status": f"The push refers to repository [{reference.name}]"})
        images = await asyncio.to_thread(self._tagged, reference)
        for each, image in images:
            if platform and not satisfies(image.config.platform, platform):
                raise NotFound(
                    f"image with reference {each.familiar} was found but does not provide the specified platform "
                    f"({platform})"
                )
            await push.push(self._store, self.registries, image, each, credentials, emit, self._uploads)
            self._announce("push", each)

    async def inspect(self, name: str, credentials: Credentials) -> Mapping[str, Any]:
        """`GET /distribution/{name}/json`: what a registry has under a name. Raises SampanError."""
        reference = parse_reference(name)
        sources = await self.registries.sources(reference, credentials)
        return await about_registry.describe(sources, reference.with_default_tag())

    async def manifest(self, name: str, credentials: Credentials) -> Document:
        """The document that a name means at its registry, as it is there. Raises SampanError."""
        reference = parse_reference(name).with_default_tag()
        document, _ = await find(await self.registries.sources(reference, credentials), reference)
        return document

    async def push_index(self, name: str, body: ManifestPush, credentials: Credentials) -> Digest:
        """Put an index of manifests that the registry has under a name; its digest. Raises SampanError."""
        reference = parse_reference(name).with_default_tag()
        return await push_index.push_index(self.registries, reference, body.manifests, credentials)

    async def push_bundle(self, body: BundleBody, credentials: Credentials, emit: Emit) -> None:
        """`POST /build/push`: an index of images of this engine under one name. Raises SampanError."""
        reference = parse_reference(body.name).with_default_tag()
        if reference.digest:
            raise InvalidRequest("cannot push a digest reference")
        parts = await asyncio.to_thread(bundle.parts_of, self._store, body)
        emit({"status": f"The push refers to repository [{reference.name}]"})
        await bundle.pushed(self._store, self.registries, parts, reference, credentials, emit, self._uploads)
        self._announce("push", reference)

    async def log_in(self, credentials: Credentials) -> str:
        """`POST /auth`: an identity token, or "". Raises Unauthorized when the credentials are no good."""
        domain = address_of(credentials.server) if credentials.server else DEFAULT_DOMAIN
        return await self.registries.log_in(domain, credentials)

    async def search(
        self, term: str, limit: int | None, filters: Filters, credentials: Credentials
    ) -> Sequence[Mapping[str, Any]]:
        """`GET /images/search`. Raises SampanError where the registry has no search."""
        return await about_registry.search(self.registries, term, limit or SEARCH_LIMIT, filters, credentials)

    def reload(self, settings: Settings) -> None:
        """Take on other settings of registries; how much goes on at once stays as it was."""
        self._reloading = asyncio.create_task(self.registries.reload(settings), name="reload registries")

    async def close(self) -> None:
        """Let go of every connection."""
        await self.registries.close()

    async def _tags(self, reference: Reference, credentials: Credentials) -> Sequence[Reference]:
        sources = await self.registries.sources(reference, credentials)
        tags = await all_tags(sources)
        if not tags:
            raise NotFound(f"repository {reference.familiar} has no tags")
        return [with_tag(reference, tag) for tag in tags]

    def _tagged(self, reference: Reference) -> Sequence[tuple[Reference, Image]]:
        """The images here that a name means, each with its tag."""
        found = [
            (each, image)
            for image in self._store.all()
            for each in image.references
            if each.tag and each.name == reference.name and reference.tag in ("", each.tag)
        ]
        if found:
            return sorted(found, key=lambda pair: pair[0].tag)
        if reference.tag and any(each.name == reference.name for i in self._store.all() for each in i.references):
            raise NotFound(f"tag does not exist: {reference.familiar}")
        raise NotFound(f"An image does not exist locally with the tag: {reference.familiar_name}")

    def _announce(self, action: str, reference: Reference, image: Image | None = None) -> None:
        if self._events:
            labels: Mapping[str, Any] = (image.config.run.labels if image else None) or {}
            self._events.publish("image", action, reference.familiar, {**labels, "name": reference.familiar_name})


def reference_of(name: str, tag: str) -> Reference:
    """`fromImage` and `tag` of a request, where the tag may be a digest. Raises InvalidRequest."""
    reference = parse_reference(name)
    if not tag:
        return reference
    if ":" in tag:
        return parse_normal(f"{reference.name}@{tag}")
    if reference.digest:
        raise InvalidRequest("invalid reference format")
    return with_tag(reference, tag)
