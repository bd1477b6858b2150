"""What does a client ask a build to do? The parameters of `POST /build`, decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.builder.ssh_agent import Link
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference
from sampan.registry.credentials import Credentials
from sampan.wire.containers import HostConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One build.

    `dockerfile` is a path in the context; `text` replaces it. `arguments`: None stands for "take the default". `limits`
    are the memory, CPU, ulimit, shm, network and host settings of the containers that RUN steps get. `contexts`: named
    contexts, as `docker-image://…`, a URL, or `input:` and the word for what was left before.
    `platforms`: several, each of which is built; `platform` is then one after the other of them. `provenance`: "min"
    or "max"; `sbom`: the packages are listed, too; `tells_parts`: the client wants to hear of every image, and what is
    said about it.
    `listed`: the word for a context that was listed first, of which only a part comes.
    `secrets` by id, `agents`, the way to the client's SSH agents, and `credentials` by registry: they are never kept.
    """

    dockerfile: str = "Dockerfile"
    text: str | None = None
    remote: str = ""
    references: tuple[Reference, ...] = ()
    target: str = ""
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    platforms: tuple[Platform, ...] = ()
    provenance: str = ""
    builder_id: str = ""
    sbom: bool = False
    tells_parts: bool = False
    no_cache: bool = False
    no_cache_stages: tuple[str, ...] = ()
    pull: bool = False
    squash: bool = False
    limits: HostConfig = field(default_factory=HostConfig)
    contexts: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    cache_to: Reference | None = None
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    agents: Link | None = None
    entitlements: frozenset[str] = frozenset()
    has_context: bool = True
    listed: str = ""
    credentials: Mapping[str, Credentials] = field(default_factory=dict)
