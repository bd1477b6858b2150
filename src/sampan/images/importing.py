"""How does a tar of a file system become an image?

`docker import`: the tar is the only layer, and the config says no more than the `--change` instructions. The layer is
durable before the config, the config before the row.
"""

import time
from collections.abc import Sequence

from sampan.content.store import Readable
from sampan.errors import InvalidRequest
from sampan.images.changes import apply_changes
from sampan.images.image import Image
from sampan.images.moment import rfc3339
from sampan.images.store import ImageStore
from sampan.oci.config import parse_config
from sampan.oci.platform import Platform, host_platform
from sampan.oci.reference import Reference, parse_reference, with_tag
from sampan.oci.strict import encode


def import_tar(
    store: ImageStore,
    stream: Readable,
    reference: Reference | None,
    *,
    changes: Sequence[str] = (),
    message: str = "",
    platform: Platform | None = None,
) -> Image:
    """Make an image of a tar (plain or compressed), named by `reference` if that is given.

    Raises InvalidRequest for what is no layer, or for instructions that make no sense; then nothing is kept.
    """
    platform = platform or host_platform()
    if platform.os != "linux":
        raise InvalidRequest(f'operating system "{platform.os}" is not supported')
    # Before the upload: a wrong instruction should not cost a minute.
    config = apply_changes({}, changes) if changes else {}
    with store.lease() as lease:
        diff_id = lease.ingest(stream)
        now = time.time_ns()
        document = _document(config, platform, diff_id, rfc3339(now), message)
        references = [reference.with_default_tag()] if reference else []
        return store.insert(parse_config(encode(document)), references, tagged_ns=now if references else 0)


def import_reference(repository: str, tag: str) -> Reference | None:
    """The name in `?repo=…&tag=…`; None when there is none. Raises InvalidRequest."""
    if not repository:
        return None
    reference = parse_reference(repository)
    if reference.digest:
        raise InvalidRequest("cannot import digest reference")
    return with_tag(reference, tag) if tag else reference


def _document(
    config: dict[str, object], platform: Platform, diff_id: str, created: str, message: str
) -> dict[str, object]:
    history = {"created": created} | ({"comment": message} if message else {})
    return {
        "architecture": platform.architecture,
        **({"comment": message} if message else {}),
        "config": {name: config[name] for name in sorted(config) if config[name] is not None},
        "created": created,
        "history": [history],
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        **({"variant": platform.variant} if platform.variant else {}),
    }
