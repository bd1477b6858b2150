"""How does the registry fetch what it does not have from the registry that it is a cache of?"""

from typing import TYPE_CHECKING, Protocol

from sampan.oci.digest import Digest

if TYPE_CHECKING:
    from sampan.registry.serve.app import Registry


class Upstream(Protocol):
    """Another registry. Both see that something is in the store, if upstream has it."""

    async def blob(self, registry: "Registry", name: str, digest: Digest) -> None: ...
    async def manifest(self, registry: "Registry", name: str, reference: str, *, by_tag: bool) -> None: ...
