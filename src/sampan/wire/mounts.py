"""What does one entry of `HostConfig.Mounts` (`--mount`) say?

Engine API 1.51, `Mount`: bind, volume, tmpfs, image and cluster mounts. Fields of the other kinds may be present and
are judged where the mount is planned.
"""

from typing import ClassVar

from msgspec import Struct, field

from sampan.wire.bodies import Int64, Uint32


class BindOptions(Struct, rename="pascal", frozen=True, kw_only=True, omit_defaults=True):
    """Options of `type=bind`."""

    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


class DriverConfig(Struct, rename="pascal", frozen=True, kw_only=True, omit_defaults=True):
    """The driver of a volume that does not exist yet."""

    name: str = ""
    options: dict[str, str] | None = None


class VolumeOptions(Struct, rename="pascal", frozen=True, kw_only=True, omit_defaults=True):
    """Options of `type=volume`."""

    no_copy: bool = False
    labels: dict[str, str] | None = None
    subpath: str = ""
    driver_config: DriverConfig | None = None


class ImageOptions(Struct, rename="pascal", frozen=True, kw_only=True, omit_defaults=True):
    """Options of `type=image`."""

    subpath: str = ""


class TmpfsOptions(Struct, rename="pascal", frozen=True, kw_only=True, omit_defaults=True):
    """Options of `type=tmpfs`: bytes, mode bits, and `[name, value]` or `[flag]` pairs."""

    size_bytes: Int64 = 0
    mode: Uint32 = 0
    options: list[list[str]] | None = None


class ClusterOptions(Struct, frozen=True, kw_only=True):
    """Options of `type=cluster`: there are none."""


class Mount(Struct, rename="pascal", frozen=True, kw_only=True, omit_defaults=True):
    """One mount."""

    kinds: ClassVar = ("bind", "volume", "tmpfs", "image", "cluster", "npipe")
    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    image_options: ImageOptions | None = None
    tmpfs_options: TmpfsOptions | None = None
    cluster_options: ClusterOptions | None = field(default=None)
