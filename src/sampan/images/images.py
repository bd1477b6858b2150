"""What can be asked of images?

The verbs of the noun, one line each; the story of a verb is in the file of its name. All of them block (they read and
write files), so the API runs them in threads.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampan.content.store import Blobs, Readable
from sampan.db import Database
from sampan.errors import NotFound
from sampan.events import Events
from sampan.images import (
    bundle,
    commit,
    download,
    from_host,
    history,
    importing,
    inspect,
    listing,
    load,
    prune,
    remove,
    save,
    tag,
)
from sampan.images.commit import Step
from sampan.images.image import Image
from sampan.images.inspect import Version
from sampan.images.load import Emit
from sampan.images.remove import Removal
from sampan.images.store import ImageStore, LayerStore, UsersOf
from sampan.oci.digest import Digest
from sampan.oci.platform import Platform, satisfies
from sampan.oci.reference import Reference, parse_reference
from sampan.wire.build import BundleBody
from sampan.wire.filters import Filters

NEWEST: Version = (1, 51)


def ignore(message: Mapping[str, Any]) -> None:
    """Tell nobody."""


class Images:
    """The images of one engine.

    `users_of` tells which containers stand on an image: (container ID, whether it runs); whoever has the containers
    sets it. `events` hears what docker announces about images.
    """

    def __init__(self, database: Database, content: Blobs, layers: LayerStore, *, events: Events | None = None) -> None:
        self.store = ImageStore(database, content, layers)
        self._events = events

    @property
    def users_of(self) -> UsersOf:
        """Which containers stand on an image."""
        return self.store.users_of

    @users_of.setter
    def users_of(self, users_of: UsersOf) -> None:
        self.store.users_of = users_of

    def get(self, name: str, platform: Platform | None = None) -> Image:
        """The image that a name, ID or ID prefix means. Raises NotFound (`No such image: …`), InvalidRequest."""
        image = self.store.find(name)
        if platform and not satisfies(image.config.platform, platform):
            raise NotFound(
                f"image with reference {name} was found but its platform ({image.config.platform}) "
                f"does not match the specified platform ({platform})"
            )
        return image

    def by_id(self, image_id: Digest) -> Image | None:
        """The image with this full ID, even when it was removed by force under its containers."""
        return self.store.by_id(image_id)

    def all(self) -> Sequence[Image]:
        """Every image, in no order."""
        return self.store.all()

    def list(
        self,
        *,
        all: bool = False,
        filters: Filters | None = None,
        shared_size: bool = False,
        with_manifests: bool = False,
        version: Version = NEWEST,
    ) -> Sequence[Mapping[str, Any]]:
        """`GET /images/json`: ImageSummary of those the filters let pass; `all` with the steps between images."""
        return listing.summaries(
            self.store,
            filters or Filters(),
            intermediate=all,
            shared_size=shared_size,
            with_manifests=with_manifests,
            version=version,
        )

    def inspect(self, name: str, version: Version = NEWEST, *, platform: Platform | None = None) -> Mapping[str, Any]:
        """`GET /images/{name}/json`: ImageInspect."""
        return inspect.inspect(self.get(name, platform), version=version)

    def history(self, name: str, *, platform: Platform | None = None) -> Sequence[Mapping[str, Any]]:
        """`GET /images/{name}/history`: HistoryResponseItem, the latest step first."""
        return history.history(self.store, self.get(name, platform))

    def tag(self, source: str, repository: str, tag_name: str = "") -> None:
        """Give the image `source` another name. Raises NotFound, InvalidRequest."""
        image, reference = tag.tag(self.store, source, repository, tag_name)
        self._announce("tag", image, reference.familiar)

    def remove(self, name: str, *, force: bool = False, prune: bool = True) -> Sequence[Mapping[str, str]]:
        """Remove a name or an image; what went, as `{"Untagged": …}` and `{"Deleted": …}`.

        Raises NotFound, and Conflict with docker's sentences.
        """
        removal = remove.remove(self.store, name, force=force, prune=prune)
        self._announce_removal(removal)
        return removal.records

    def release(self, image_id: Digest) -> None:
        """To be called when a container of this image is gone for good."""
        self.store.release(image_id)

    def prune(self, filters: Filters | None = None) -> Mapping[str, Any]:
        """`POST /images/prune`: remove what nobody uses."""
        removal = prune.prune(self.store, filters or Filters())
        self._announce_removal(removal)
        if self._events:
            self._events.publish("image", "prune", "", {"reclaimed": str(removal.freed_bytes)})
        return {"ImagesDeleted": removal.records or None, "SpaceReclaimed": removal.freed_bytes}

    def import_tar(
        self,
        stream: Readable,
        repository: str = "",
        tag_name: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        emit: Emit = ignore,
        *,
        platform: Platform | None = None,
    ) -> Image:
        """Make an image of a file system's tar; its ID is emitted. Raises InvalidRequest."""
        message = message or "Imported from -"  # dockerd's words for what came with the request
        reference = importing.import_reference(repository, tag_name)
        image = importing.import_tar(self.store, stream, reference, changes=changes, message=message, platform=platform)
        self._announce_made(image, reference)
        emit({"status": image.id})
        return image

    def import_url(
        self,
        source: str,
        repository: str = "",
        tag_name: str = "",
        changes: Sequence[str] = (),
        message: str = "",
        emit: Emit = ignore,
        *,
        platform: Platform | None = None,
    ) -> Image:
        """The same with a tar that is at a URL. Raises InvalidRequest, NotFound, Unavailable."""
        url = download.full_url(source)
        importing.import_reference(repository, tag_name)  # a wrong name should not cost a download
        with download.downloaded(url, emit) as stream:
            message = message or f"Imported from {url}"
            return self.import_tar(stream, repository, tag_name, changes, message, emit, platform=platform)

    def commit(self, parent_id: Digest, upper: Path | None, step: Step, reference: Reference | None) -> Image:
        """Make an image of one that is here ("" for none) and the changes in a writable tree; see `images.commit`."""
        parent = self.store.by_id(parent_id) if parent_id else None
        references = [reference.with_default_tag()] if reference else []
        image = commit.commit(self.store, parent, upper, step, references)
        for name in references:
            self._announce("tag", image, name.familiar)
        return image

    def from_host(self, reference: str, programs: Sequence[str] = (), emit: Emit = ignore) -> Image:
        """Make an image of programs installed on this machine and the libraries they need; its ID is emitted.

        Raises InvalidRequest.
        """
        name = importing.import_reference(reference, "")
        image = from_host.image_from_host(self.store, name, programs)
        self._announce_made(image, name)
        emit({"status": image.id})
        return image

    def load(
        self,
        stream: Readable,
        emit: Emit = ignore,
        *,
        quiet: bool = True,
        platform: Platform | None = None,
    ) -> Sequence[Image]:
        """Take in an archive of images, telling `emit` what docker tells. Raises InvalidRequest; then nothing stays."""
        images = load.load(self.store, stream, emit, quiet=quiet, platform=platform)
        for image in images:
            self._announce("load", image, image.id)
        return images

    def save(self, names: Sequence[str], *, platform: Platform | None = None) -> Iterator[bytes]:
        """The bytes of an archive of images, in pieces of at most 1 MiB. Raises NotFound before the first of them."""
        archive = save.save(self.store, names, platform=platform)
        for image in archive.images:
            self._announce("save", image, image.id)
        return archive.chunks()

    def archive(self, body: BundleBody) -> Iterator[bytes]:
        """`POST /build/archive`: an OCI layout whose one index names images. Raises NotFound before the first piece."""
        reference = parse_reference(body.name).with_default_tag() if body.name else None
        found = bundle.archive_of(self.store, bundle.parts_of(self.store, body), reference)
        for image in found.images:
            self._announce("save", image, image.id)
        return found.chunks()

    def sweep(self) -> None:
        """Once after start-up: give back the space of what a crash left behind."""
        self.store.sweep()

    def _announce_made(self, image: Image, reference: Reference | None) -> None:
        if reference:
            self._announce("tag", image, reference.with_default_tag().familiar)
        self._announce("import", image, image.id)

    def _announce_removal(self, removal: Removal) -> None:
        for action, image in removal.events:
            self._announce(action, image, image.id)

    def _announce(self, action: str, image: Image, name: str) -> None:
        if self._events:
            self._events.publish("image", action, image.id, {**(image.config.run.labels or {}), "name": name})
