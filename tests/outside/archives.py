"""How are image archives made by hand, good ones and bad? Layers as tars, put together in docker's way or OCI's."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable

Member = tuple[str, bytes, dict[str, object]]


def file(name: str, content: bytes = b"", **fields: object) -> Member:
    """A member of a layer; `fields` are those of TarInfo."""
    return name, content, fields


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    """A symbolic link, or with LNKTYPE a hard one."""
    return name, b"", {"type": kind, "linkname": target}


def tar(members: Iterable[Member]) -> bytes:
    """The bytes of a tar, names as they are given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, fields in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def sha256(data: bytes) -> str:
    """The hex digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def config(layers: Iterable[bytes], **settings: object) -> bytes:
    """An image config over uncompressed layers."""
    made = "2024-01-01T00:00:00Z"
    diff_ids = [f"sha256:{sha256(layer)}" for layer in layers]
    history = [{"created": made, "created_by": f"layer {number}"} for number, _ in enumerate(diff_ids)]
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": made,
            "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/bin:/bin"], **settings},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        }
    ).encode()


def docker_archive(
    tag: str, layers: list[bytes], image_config: bytes = b"", packed: list[bytes] | None = None
) -> bytes:
    """What `docker save` writes; `packed` are the layers as they are stored (compressed, or not they should be)."""
    image_config = image_config or config(layers)
    stored = packed or layers
    names = [f"{number}/layer.tar" for number, _ in enumerate(stored)]
    manifest = [{"Config": f"{sha256(image_config)}.json", "RepoTags": [tag], "Layers": names}]
    members = [file(f"{sha256(image_config)}.json", image_config), file("manifest.json", json.dumps(manifest).encode())]
    return tar([*members, *(file(name, layer) for name, layer in zip(names, stored, strict=True))])


def oci_layout(tag: str, layers: list[bytes], packed: list[bytes], kind: str) -> bytes:
    """An OCI image layout in a tar, its layers stored with the media type's `kind`: tar, tar+gzip, tar+zstd."""
    image_config = config(layers)
    blobs = {sha256(blob): blob for blob in [image_config, *packed]}

    def descriptor(media_type: str, blob: bytes, **more: object) -> dict[str, object]:
        return {"mediaType": media_type, "digest": f"sha256:{sha256(blob)}", "size": len(blob), **more}

    prefix = "application/vnd.oci.image"
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{prefix}.manifest.v1+json",
            "config": descriptor(f"{prefix}.config.v1+json", image_config),
            "layers": [descriptor(f"{prefix}.layer.v1.{kind}", blob) for blob in packed],
        }
    ).encode()
    blobs[sha256(manifest)] = manifest
    named = {"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag.partition(":")[2]}
    entry = descriptor(f"{prefix}.manifest.v1+json", manifest, annotations=named)
    index = {"schemaVersion": 2, "mediaType": f"{prefix}.index.v1+json", "manifests": [entry]}
    members = [file("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), file("index.json", json.dumps(index).encode())]
    return tar([*members, *(file(f"blobs/sha256/{digest}", blob) for digest, blob in blobs.items())])
