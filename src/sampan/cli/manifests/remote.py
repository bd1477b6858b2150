"""What does a registry have under a name? Asked through the engine, which has the certificates and the network."""

from __future__ import annotations

import base64
import json

from sampan.cli.command import Call, Failure
from sampan.client.credentials import header
from sampan.client.engine import Refused, named
from sampan.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOT_FOUND = 404


def fetch(call: Call, reference: Reference) -> bytes:
    """The document that a name means. Raises Failure with docker's sentence when there is none."""
    fields = {"X-Registry-Auth": header(call.config_directory, reference.domain)}
    try:
        return call.engine.send("GET", named("distribution", str(reference), "manifest"), fields=fields).read()
    except Refused as refused:
        if refused.status == NOT_FOUND:
            raise Failure(f"no such manifest: {reference}") from None
        raise Failure(refused.message) from None


def member(call: Call, reference: Reference) -> dict[str, Any]:
    """An image as a list keeps it. Raises Failure for what is no single image."""
    data = fetch(call, reference)
    document = json.loads(data)
    if "manifests" in document:
        raise Failure(f"{reference} is a manifest list")
    fields = {"X-Registry-Auth": header(call.config_directory, reference.domain)}
    said = json.loads(call.engine.send("GET", named("distribution", str(reference), "json"), fields=fields).read())
    return entry(str(reference), data, said["Descriptor"], (said["Platforms"] or [{}])[0])


def entry(name: str, data: bytes, descriptor: dict[str, Any], platform: dict[str, str]) -> dict[str, Any]:
    """What is known about one image, in docker's shape."""
    document = json.loads(data)
    key = "SchemaV2Manifest" if document.get("mediaType", "").startswith("application/vnd.docker") else "OCIManifest"
    described = {**descriptor, **({"platform": platform} if platform else {})}
    return {"Ref": name, "Descriptor": described, "Raw": base64.b64encode(data).decode(), key: document}
