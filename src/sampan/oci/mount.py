"""What is a mount, before anyone performs it?

`Mount` is the word that the packages share: snapshots, volumes and the runtime's plan emit mounts, `runtime/rootfs.py`
performs them. The fields are those of the OCI runtime spec's `mounts` (config.md, "Mounts").
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount(2), as data.

    `target` is a path inside the container, or on the host for a layer. `options` are fstab words (`ro`, `nosuid`, …)
    and the filesystem's own `key=value` pairs, in order.
    """

    target: str
    source: str = ""
    type: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rootfs:
    """The mounts that make a container's root filesystem.

    `shared`: read-only layer mounts that all containers on the same layers share; performed once for each target.
    `places`: filesystems of volumes, likewise once for all who use them.
    `overlay`: the container's own writable view, performed inside its mount namespace; its target is decided there.
    """

    shared: tuple[Mount, ...]
    overlay: Mount
    places: tuple[Mount, ...] = ()
