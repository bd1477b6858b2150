"""A registry in the test's own event loop: it holds what the test puts there, and lies where the test tells it to.

Honest by itself: manifests, blobs with ranges, uploads, mounts, tags. `answers` replaces the answer to one method and
path; `requests` is everything that was asked, with the credentials that came along.
"""

import asyncio
import gzip
import hashlib
import io
import json
import ssl
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from sampan.content.store import Blobs
from sampan.db import open_database
from sampan.images import compressed, rows
from sampan.images.distribution import Distribution
from sampan.images.store import ImageStore
from sampan.layers.store import Layers
from sampan.oci.digest import digest_of
from sampan.oci.media_types import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_MANIFEST
from sampan.registry.client import Registries
from sampan.registry.settings import Patience, Settings

T = TypeVar("T")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATIENT = Patience(connect=20, idle=30, document=30, window=30, retry_base=0.01, retry_most=0.05)
IMPATIENT = Patience(connect=2, idle=0.5, document=1.0, window=0.4, least_bytes=1000, retry_base=0.01, retry_most=0.05)


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    method: str
    path: str
    authorization: str
    query: str


class LyingRegistry:
    """What is in it, what it is told to say, what it was asked."""

    def __init__(self) -> None:
        self.host = ""
        self.scheme = "http"
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.answers: dict[tuple[str, str], Answer] = {}
        self.requests: list[Asked] = []
        self.guard: Callable[[web.Request], web.Response | None] = lambda request: None
        self.uploads: dict[str, bytearray] = {}

    @property
    def url(self) -> str:
        """Its origin."""
        return f"{self.scheme}://{self.host}"

    @property
    def secrets_seen(self) -> list[Asked]:
        """The requests that came with credentials."""
        return [each for each in self.requests if each.authorization]

    def asked(self, method: str, part: str) -> list[Asked]:
        """The requests of a method whose path has `part` in it."""
        return [each for each in self.requests if each.method == method and part in each.path]

    def add_blob(self, data: bytes) -> str:
        """Hold a blob; its digest."""
        digest = digest_of(data)
        self.blobs[digest] = data
        return digest

    def add_manifest(self, path: str, tag: str, data: bytes, media_type: str = DOCKER_MANIFEST) -> str:
        """Hold a manifest under a tag and its digest, which is returned."""
        for reference in (tag, digest_of(data)):
            self.manifests[f"{path}/{reference}"] = media_type, data
        return digest_of(data)

    def add_image(self, path: str, tag: str, layers: Sequence[bytes], *, compress: bool = True, **members: Any) -> str:
        """Hold an image of these layers' tars; the digest of its manifest."""
        blobs = [gzip.compress(each, 1, mtime=0) if compress else each for each in layers]
        config = {
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(each) for each in layers]}, **members,
        }  # fmt: skip
        data = json.dumps(config).encode()
        kind = DOCKER_LAYER_GZIP if compress else DOCKER_LAYER
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": DOCKER_CONFIG, "size": len(data), "digest": self.add_blob(data)},
            "layers": [{"mediaType": kind, "size": len(each), "digest": self.add_blob(each)} for each in blobs],
        }
        return self.add_manifest(path, tag, json.dumps(manifest, indent=3).encode())

    def layer_of(self, path: str, tag: str, position: int = 0) -> str:
        """The digest of one of an image's layers."""
        return str(json.loads(self.manifests[f"{path}/{tag}"][1])["layers"][position]["digest"])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        authorization = request.headers.get("Authorization", "")
        self.requests.append(Asked(request.method, request.path, authorization, request.query_string))
        lie = self.answers.get((request.method, request.path))
        if lie is not None:
            return await lie(request)
        refused = self.guard(request)
        if refused is not None:
            return refused
        path = request.path.removeprefix("/v2/")
        if not path:
            return web.json_response({})
        if "/manifests/" in path:
            return await self._manifest(request, path)
        if "/blobs/uploads/" in path:
            return await self._upload(request, path)
        if "/blobs/" in path:
            return self._blob(request, path)
        name = path.removesuffix("/tags/list")
        tags = [
            each.rpartition("/")[2] for each in self.manifests if each.startswith(f"{name}/") and "sha256" not in each
        ]
        return web.json_response({"name": name, "tags": tags}) if tags else missing("NAME_UNKNOWN")

    async def _manifest(self, request: web.Request, path: str) -> web.Response:
        name, _, reference = path.partition("/manifests/")
        if request.method == "PUT":
            data = await request.read()
            self.add_manifest(name, reference, data, request.headers["Content-Type"])
            return web.Response(status=201, headers={"Docker-Content-Digest": digest_of(data)})
        if f"{name}/{reference}" not in self.manifests:
            return missing("MANIFEST_UNKNOWN")
        media_type, data = self.manifests[f"{name}/{reference}"]
        headers = {"Docker-Content-Digest": digest_of(data), "Content-Type": media_type}
        return web.Response(body=data, headers=headers)

    def _blob(self, request: web.Request, path: str) -> web.Response:
        data = self.blobs.get(path.rpartition("/")[2])
        if data is None:
            return missing("BLOB_UNKNOWN")
        wanted = request.headers.get("Range", "")
        if not wanted:
            return web.Response(body=data)
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return web.Response(status=206, body=data[start:], headers=headers)

    async def _upload(self, request: web.Request, path: str) -> web.Response:
        name, _, upload = path.partition("/blobs/uploads/")
        if request.method == "POST":
            mounted = request.query.get("mount", "")
            if mounted and mounted in self.blobs:
                return web.Response(status=201, headers={"Docker-Content-Digest": mounted, "Location": "/"})
            upload = str(len(self.uploads))
            self.uploads[upload] = bytearray()
            return web.Response(status=202, headers={"Location": f"/v2/{name}/blobs/uploads/{upload}?state=1"})
        self.uploads[upload] += await request.read()
        if request.method == "PATCH":
            return web.Response(status=202, headers={"Location": f"/v2/{name}/blobs/uploads/{upload}?state=2"})
        data = bytes(self.uploads.pop(upload))
        if digest_of(data) != request.query["digest"]:
            return web.json_response({"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}, status=400)
        return web.Response(status=201, headers={"Docker-Content-Digest": self.add_blob(data)})


def layer(*sizes: int, seed: int = 0) -> bytes:
    """A tar of files of these sizes, whose bytes do not compress to nothing."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for number, size in enumerate(sizes or (10,)):
            member = tarfile.TarInfo(f"f{seed}-{number}")
            member.size = size
            pattern = bytes((seed + number * 7 + i * i % 251) % 256 for i in range(256))
            tar.addfile(member, io.BytesIO((pattern * (size // 256 + 1))[:size]))
    return output.getvalue()


def tar_of(data: bytes) -> bytes:
    """A tar of one file."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        member = tarfile.TarInfo("data")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return output.getvalue()


def missing(code: str) -> web.Response:
    """A 404 with an error code of the distribution spec."""
    body = {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}
    return web.json_response(body, status=404)


@asynccontextmanager
async def lying_registry(tls: ssl.SSLContext | None = None) -> AsyncIterator[LyingRegistry]:
    """A registry on a free port of loopback, while the block runs."""
    registry = LyingRegistry()
    server = web.Server(registry.handle, handler_cancellation=True)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=tls)
    registry.host = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    registry.scheme = "https" if tls else "http"
    try:
        yield registry
    finally:
        listening.close()
        await server.shutdown(0.05)


class Puller:
    """An engine's images and its client of registries, without the rest of the engine."""

    def __init__(self, root: Path, settings: Settings | None = None) -> None:
        self.root = root
        self.database = open_database(root / "db", [rows.SCHEMA, compressed.SCHEMA])
        self.store = ImageStore(
            self.database, Blobs(root / "content"), Layers(root / "layers", root / "run", backend="erofs")
        )
        self.settings = settings or Settings(patience=PATIENT, attempts=3)
        self.distribution = Distribution(self.store, Registries(self.settings))
        self.told: list[Any] = []

    @property
    def said(self) -> list[str]:
        """The words of all progress messages."""
        return [str(each.get("status", "")) for each in self.told]

    def kept(self) -> list[str]:
        """Every file of the stores but the database, which should be none when nothing is listed."""
        return sorted(
            str(each.relative_to(self.root))
            for part in ("content", "layers")
            for each in (self.root / part).rglob("*")
            if each.is_file()
        )


def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that may take so many seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


def sha256(data: bytes) -> str:
    """A digest, made by other code than the engine's."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
