"""Which manifest does a name mean, at its registry, for a platform?

    name ─► mirrors, then the registry ─► manifest, or index ─► the manifest for the platform ─► config

What is chosen is pinned by digests from the first document on, and every document is what its digest says (security.md
D05, D12). The manifest always comes from the repository that was asked for: what another one has is no answer (D09).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from sampan.errors import InvalidRequest, NotFound, SampanError
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.media_types import CONFIGS, LAYERS
from sampan.oci.platform import Platform, host_platform
from sampan.oci.reference import Reference
from sampan.registry.auth import NoCredentials, Unauthorized
from sampan.registry.failure import Absent, Denied, RegistryError
from sampan.registry.repository import Document, Repository
from sampan.registry.retry import repeated

MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name means: `documents` are what was read on the way, the named one first, the manifest last."""

    documents: tuple[Document, ...]
    manifest: Manifest
    sources: tuple[Repository, ...]

    @property
    def digest(self) -> Digest:
        """What the name stands for: of the index where there is one."""
        return self.documents[0].digest


async def find(sources: Sequence[Repository], reference: Reference) -> tuple[Document, tuple[Repository, ...]]:
    """The document that a name means, and who can be asked for what it names. Raises SampanError in dockerd's words."""
    for position, source in enumerate(sources):
        try:
            wanted = reference.digest or reference.with_default_tag().tag
            document = await repeated(source.access, partial(source.manifest, wanted))
            return document, tuple(sources[position:])
        except SampanError as error:
            # A mirror may lack it, or be away; what the registry itself says is the answer.
            if position == len(sources) - 1:
                if isinstance(error, NoCredentials):
                    raise NoCredentials(f'Head "{source.url_of(reference)}": {error}') from None
                raise translate(error, reference) from None
    raise InvalidRequest(f"there is nobody to ask for {reference.familiar}")


async def resolve(sources: Sequence[Repository], reference: Reference, platform: Platform | None) -> Resolved:
    """The manifest that a name means for `platform` (None: this machine's). Raises SampanError."""
    document, sources = await find(sources, reference)
    documents = [document]
    for _ in range(MAX_DEPTH):
        # In a thread: a document of the size that is allowed, made for it, takes a second to read.
        parsed = await asyncio.to_thread(parse_manifest, documents[-1].data, documents[-1].media_type)
        if isinstance(parsed, Manifest):
            check_image(parsed)
            return Resolved(tuple(documents), parsed, sources)
        chosen = choose(parsed, platform or host_platform(), reference)
        found, sources = await find(sources, replace(reference, tag="", digest=chosen))
        documents.append(found)
    raise InvalidRequest(f"the indexes of {reference.familiar} are nested too deeply")


async def fetch_blob(sources: Sequence[Repository], descriptor: Descriptor) -> bytes:
    """A small blob from the first that has it. Raises SampanError as the registry itself does."""
    for source in sources[:-1]:
        try:
            return await source.blob(descriptor.digest, descriptor.size)
        except SampanError:  # a mirror's trouble is nobody's; the registry itself is asked last
            continue
    return await repeated(sources[-1].access, partial(sources[-1].blob, descriptor.digest, descriptor.size))


async def all_tags(sources: Sequence[Repository]) -> list[str]:
    """Every tag that the first has who answers. Raises SampanError as the registry itself does."""
    for source in sources[:-1]:
        try:
            return await source.tags()
        except SampanError:
            continue
    return await sources[-1].tags()


def choose(index: Index, platform: Platform, reference: Reference) -> Digest:
    """The digest of the manifest for a platform. Raises NotFound."""
    try:
        return index.choose(platform).digest
    except NotFound as error:
        raise NotFound(f"{reference.familiar}: {error}") from None


def check_image(manifest: Manifest) -> None:
    """Raises InvalidRequest for what can be no image: artifacts, filesystems, other things with layers."""
    if manifest.config.media_type not in CONFIGS:
        raise InvalidRequest(
            f"unsupported: it is no image but an artifact: its config has media type {manifest.config.media_type!r}"
        )
    for layer in manifest.layers:
        if layer.media_type not in LAYERS:
            raise InvalidRequest(f"unsupported layer media type {layer.media_type!r}")


def translate(error: SampanError, reference: Reference) -> SampanError:
    """dockerd's sentence for what the registry said about a name."""
    name = reference.familiar_name
    if isinstance(error, Absent) and error.code == "NAME_UNKNOWN":
        return NotFound(f"repository {name} not found: {error}")
    if isinstance(error, Absent):
        return NotFound(f"manifest for {reference.with_default_tag().familiar} not found: {_unknown(error)}")
    if isinstance(error, Denied):
        return NotFound(
            f"pull access denied for {name}, repository does not exist or may require 'docker login': {error}"
        )
    if isinstance(error, Unauthorized):
        return RegistryError(str(error))  # a 401 would make docker's CLI ask for a password
    return error


def _unknown(error: Absent) -> str:
    return str(error) if error.code else "manifest unknown: manifest unknown"
