"""How does an image in an OCI layout on this machine become something to build from?

`--build-context NAME=oci-layout://DIRECTORY[:TAG|@DIGEST]`; OCI image layout specification 1.1. The one image that is
meant is loaded into the engine, without a name, and removed again after the build unless it was there before.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from contextlib import ExitStack

from sampan.cli.command import Call, Failure
from sampan.cli.output import Output
from sampan.client.engine import named
from sampan.client.progress import show
from sampan.client.tar_pieces import END, data_of, gathered, header, padding
from sampan.oci.digest import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SCHEME = "oci-layout://"
REF_NAME = "org.opencontainers.image.ref.name"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
DOCUMENT_BYTES_MAX = 4 << 20
BLOBS_MAX = 10_000


def load_layout(call: Call, where: str, held: ExitStack) -> str:
    """The ID of the image, which is in the engine while `held` is open. Raises Failure, Refused."""
    layout = Layout(where)
    before = {image["Id"] for image in call.engine.get("/images/json", {"all": "1"})}
    response = call.engine.send("POST", "/images/load", {"quiet": "0"}, data=gathered(layout.pieces()))
    told = io.StringIO()
    show(response, Output(told))
    image_id = told.getvalue().rpartition("Loaded image ID: ")[2].strip()
    if not is_digest(image_id):
        raise Failure(f"{where}: the engine did not say which image it is: {told.getvalue().strip()}")
    if image_id not in before:
        held.callback(call.engine.delete, named("images", image_id), {"noprune": "1", "force": "1"})
    return image_id


class Layout:
    """One image of a layout. Raises Failure for what is none, or does not have it."""

    def __init__(self, where: str) -> None:
        path = where.removeprefix(SCHEME)
        path, _, digest = path.partition("@")
        directory, _, tag = path.rpartition(":") if ":" in os.path.basename(path) else (path, "", "latest")
        self._directory = directory
        self._where = where
        manifests = self._document(os.path.join(directory, "index.json")).get("manifests") or []
        wanted = [
            each
            for each in manifests
            if (each.get("digest") == digest if digest else (each.get("annotations") or {}).get(REF_NAME) == tag)
        ]
        if not wanted and not digest and tag == "latest" and len(manifests) == 1:
            wanted = manifests  # the only one needs no name
        if not wanted:
            raise Failure(f"{where}: the layout has no image {digest or tag}")
        self._descriptor = {key: value for key, value in wanted[0].items() if key != "annotations"}

    def pieces(self) -> Iterator[bytes]:
        """A tar of a layout with this image alone. Raises Failure."""
        yield from _file("oci-layout", LAYOUT)
        yield from _file("index.json", json.dumps({"schemaVersion": 2, "manifests": [self._descriptor]}).encode())
        pending, seen = [self._descriptor], set[str]()
        while pending:
            descriptor = pending.pop()
            digest = str(descriptor.get("digest"))
            if digest in seen:
                continue
            seen.add(digest)
            if not is_digest(digest) or len(seen) > BLOBS_MAX:
                raise Failure(f"{self._where}: the layout is damaged: {digest} is no digest, or there are too many")
            path = os.path.join(self._directory, "blobs", *digest.split(":"))
            kind = str(descriptor.get("mediaType"))
            if "manifest" in kind or "index" in kind:
                document = self._document(path)
                below = [document.get("config"), *(document.get("layers") or []), *(document.get("manifests") or [])]
                # Of an index there may be less here than it names: other platforms, say.
                pending += [each for each in below if each and ("layers" in document or self._has(each))]
            yield from self._blob(path, "blobs/" + digest.replace(":", "/"))
        yield END

    def _has(self, descriptor: dict[str, Any]) -> bool:
        return os.path.exists(os.path.join(self._directory, "blobs", *str(descriptor.get("digest")).split(":")))

    def _document(self, path: str) -> dict[str, Any]:
        try:
            with open(path, "rb") as file:
                document = json.loads(file.read(DOCUMENT_BYTES_MAX))
        except OSError as error:
            raise Failure(f"{self._where}: {path}: {(error.strerror or '').lower()}") from None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Failure(f"{self._where}: {path} is no JSON object")
        return document

    def _blob(self, path: str, name: str) -> Iterator[bytes]:
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                yield _head(name, size)
                yield from data_of(file, size)
                yield padding(size)
        except OSError as error:
            raise Failure(f"{self._where}: {path}: {(error.strerror or '').lower()}") from None


def _head(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return header(member)


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield from (_head(name, len(content)), content, padding(len(content)))
