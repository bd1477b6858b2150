"""Archives of images, sound and hostile, to load in tests."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.oci.digest import digest_of, encoded_part
from sampan.oci.media_types import OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_MANIFEST

Entry = bytes | str | None
"""A file's bytes, a symlink's target, or None for a directory."""


def make_tar(entries: Mapping[str, Entry], *, hard_links: Mapping[str, str] | None = None) -> bytes:
    """A tar with these members, in this order."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, entry in entries.items():
            member = tarfile.TarInfo(name)
            if entry is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif isinstance(entry, str):
                member.type, member.linkname = tarfile.SYMTYPE, entry
                archive.addfile(member)
            else:
                member.size = len(entry)
                archive.addfile(member, io.BytesIO(entry))
        for name, target in (hard_links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, target
            archive.addfile(member)
    return output.getvalue()


def layer(content: str = "a") -> bytes:
    """A layer with one file `f`."""
    return make_tar({"f": content.encode()})


def config(layers: Sequence[bytes], **members: Any) -> bytes:
    """The config of an image of these layers."""
    return json.dumps(
        {
            "architecture": "amd64",
            "created": "2026-01-02T03:04:05.6Z",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(each) for each in layers]},
            **members,
        }
    ).encode()


def old_docker_archive(layers: Sequence[bytes], document: bytes, names: Sequence[str] | None) -> dict[str, Entry]:
    """The members of what `docker save` wrote before version 25, layers first."""
    entries: dict[str, Entry] = {}
    paths = []
    for position, data in enumerate(layers):
        paths.append(f"v1id{position}/layer.tar")
        entries[f"v1id{position}"] = None
        entries[f"v1id{position}/VERSION"] = b"1.0"
        entries[f"v1id{position}/json"] = b'{"id":"v1id"}'
        entries[paths[-1]] = data
    entry = {"Config": "config.json", "RepoTags": list(names) if names is not None else None, "Layers": paths}
    entries["config.json"] = document
    entries["manifest.json"] = json.dumps([entry]).encode()
    return entries


def blob(data: bytes) -> str:
    """The path of a blob in an OCI layout."""
    return f"blobs/sha256/{encoded_part(digest_of(data))}"


def oci_layout(
    layers: Sequence[bytes], document: bytes, annotations: Mapping[str, str] | None = None, *, compress: bool = False
) -> dict[str, Entry]:
    """The members of an OCI layout of one image."""
    stored = [gzip.compress(each, mtime=0) if compress else each for each in layers]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": describe(OCI_CONFIG, document),
            "layers": [describe(OCI_LAYER_GZIP if compress else OCI_LAYER, each) for each in stored],
        }
    ).encode()
    described = describe(OCI_MANIFEST, manifest) | ({"annotations": dict(annotations)} if annotations else {})
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [described]}).encode(),
        "blobs": None,
        "blobs/sha256": None,
        **{blob(each): each for each in (*stored, document, manifest)},
    }


def describe(media_type: str, data: bytes) -> dict[str, Any]:
    """The descriptor of some bytes."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
