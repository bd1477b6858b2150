"""A registry of our own in a process of its own, on the loopback address, and a client that sends what it is told."""

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import eventually

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the first error in the body."""
        return str(json.loads(self.body)["errors"][0]["code"])

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RegistryServer:
    """`sampan registry serve` with these flags; `prefix` is a command to run it under."""

    def __init__(self, *flags: str, prefix: tuple[str, ...] = ()) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="sampan-registry-", dir="/var/tmp"))
        self.data = self.root / "data"
        self.flags, self.prefix = flags, prefix
        self.authorization = ""
        self.start()

    def start(self) -> None:
        """Start it (again) and return when it listens."""
        self.log = self.root / "log"
        self.log.write_bytes(b"")
        command = [
            sys.executable, "-m", "sampan", "registry", "serve", "--addr", "127.0.0.1:0", "--data-root", str(self.data),
            *self.flags,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        eventually(lambda: self._port("registry listens") or self.process.poll() is not None, 30)
        self.port = self._port("registry listens")
        assert self.port, f"the registry did not start:\n{self.log.read_text()}"

    @property
    def address(self) -> str:
        """Where it is, as in the name of an image."""
        return f"127.0.0.1:{self.port}"

    @property
    def metrics(self) -> str:
        """What it has counted."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port("metrics on"), timeout=30)
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End it and remove what it had."""
        if self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(30) == 0, self.log.read_text()[-2000:]
        shutil.rmtree(self.root)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; `path` may also be a Location."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {"Authorization": self.authorization} if self.authorization else {}
        connection.request(method, path, body=body, headers=given | dict(headers or {}))
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def push_blob(self, name: str, data: bytes) -> str:
        """Upload a blob at once; its digest."""
        digest = digest_of(data)
        answer = self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)
        assert answer.status == 201, answer
        return digest

    def push_image(self, name: str, tag: str, layer: bytes = b"layer", **members: Any) -> str:
        """Push an image of one layer (any bytes); the digest of its manifest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
        for data in (config.encode(), layer):
            self.push_blob(name, data)
        data = manifest(describe(OCI_CONFIG, config.encode()), [describe(OCI_LAYER, layer)], **members)
        answer = self.put_manifest(name, tag or digest_of(data), data)
        assert answer.status == 201, answer
        return digest_of(data)

    def put_manifest(self, name: str, reference: str, data: bytes, media_type: str = OCI_MANIFEST) -> Answer:
        """PUT of a manifest."""
        return self.ask("PUT", f"/v2/{name}/manifests/{reference}", data, {"Content-Type": media_type})

    def files(self) -> list[Path]:
        """Every blob and every upload on its disk."""
        return [path for part in ("content", "uploads") for path in (self.data / part).rglob("*") if path.is_file()]

    def _port(self, words: str) -> int:
        found = re.search(rf"{words} on [\d.]+:(\d+)|{words} [\d.]+:(\d+)", self.log.read_text())
        return int(found[1] or found[2]) if found else 0


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """The digest of some bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def describe(media_type: str, data: bytes, **members: Any) -> dict[str, Any]:
    """The descriptor of some bytes."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **members}


def manifest(config: Mapping[str, Any], layers: list[dict[str, Any]], **members: Any) -> bytes:
    """An OCI manifest."""
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers, **members}
    ).encode()


def random(size: int) -> bytes:
    """Bytes that nobody has seen before."""
    return os.urandom(size)
