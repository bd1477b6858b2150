"""What do the bodies of volume requests say? Engine API 1.51, `POST /volumes/create`."""

from typing import Any

from msgspec import Struct


class VolumeCreate(Struct, rename="pascal", frozen=True, kw_only=True):
    """`POST /volumes/create`; a cluster's own settings are refused where there is no cluster."""

    name: str = ""
    driver: str = ""
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None
    cluster_volume_spec: dict[str, Any] | None = None
