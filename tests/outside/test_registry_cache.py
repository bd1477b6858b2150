"""Does `registry serve --proxy` fetch what it does not have, once, and go on when upstream is gone?"""

import base64
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from registry_server import OCI_MANIFEST, RegistryServer, digest_of, random

bcrypt: Any = pytest.importorskip("bcrypt")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry that wants a password and tells what it was asked."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"cache:{hashed}\n")
    (tmp_path / "password").write_text("secret\n")
    server = RegistryServer("--htpasswd", str(tmp_path / "htpasswd"))
    server.authorization = "Basic " + base64.b64encode(b"cache:secret").decode()
    yield server
    server.close()


@pytest.fixture
def cache(upstream: RegistryServer, tmp_path: Path) -> Iterator[RegistryServer]:
    password = str(tmp_path / "password")
    proxy = f"http://{upstream.address}"
    server = RegistryServer("--proxy", proxy, "--proxy-user", "cache", "--proxy-password-file", password)
    yield server
    server.close()


def asked(upstream: RegistryServer, what: str) -> int:
    """How often upstream was asked for something, and had it."""
    return sum(what in line and " 200 " in line for line in upstream.log.read_text().splitlines())


def test_everything_is_fetched_once_and_stays_when_upstream_is_gone(
    upstream: RegistryServer, cache: RegistryServer
) -> None:
    layer = random(2 << 20)
    digest = upstream.push_image("team/app", "v1", layer)
    shown = cache.ask("GET", "/v2/team/app/manifests/v1")
    assert (shown.status, shown.headers["Docker-Content-Digest"]) == (200, digest)
    assert shown.headers["Content-Type"] == OCI_MANIFEST
    [descriptor] = shown.json["layers"]
    path = f"/v2/team/app/blobs/{descriptor['digest']}"
    head = cache.ask("HEAD", path)
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(layer)))
    assert not list((cache.data / "content" / "sha256").glob(descriptor["digest"][7:])), "HEAD fetches nothing"
    bodies: list[bytes] = []
    threads = [threading.Thread(target=lambda: bodies.append(cache.ask("GET", path).body)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [layer] * 6
    assert asked(upstream, f"GET {path}") == 1
    assert cache.ask("GET", "/v2/team/app/tags/list").json["tags"] == ["v1"]
    assert cache.ask("GET", "/v2/team/app/manifests/nosuch").status == 404
    assert cache.ask("GET", "/v2/team/app/blobs/sha256:" + "0" * 64).status == 404
    assert cache.ask("POST", "/v2/team/app/blobs/uploads/").code == "UNSUPPORTED"
    upstream.kill()
    for reference in ("v1", digest):
        assert cache.ask("GET", f"/v2/team/app/manifests/{reference}").body == shown.body
    assert cache.ask("GET", path, headers={"Range": "bytes=5-9"}).body == layer[5:10]
    assert cache.ask("GET", "/v2/team/app/manifests/other").status == 502
    cache.kill()
    cache.start()
    assert cache.ask("GET", "/v2/team/app/manifests/v1").body == shown.body, "an old answer is better than none"
    assert "may be old" in cache.log.read_text()


def test_a_tag_that_moved_is_seen(upstream: RegistryServer, cache: RegistryServer) -> None:
    first = upstream.push_image("app", "v1", b"first")
    assert cache.ask("HEAD", "/v2/app/manifests/v1").headers["Docker-Content-Digest"] == first
    second = upstream.push_image("app", "v1", b"second")
    cache.kill()
    cache.start()  # what was asked a moment ago is not asked again, but by a new process
    assert cache.ask("HEAD", "/v2/app/manifests/v1").headers["Docker-Content-Digest"] == second
    assert cache.ask("GET", f"/v2/app/manifests/{first}").status == 200


def test_a_blob_is_passed_on_while_it_comes_and_never_whole_when_it_is_another(tmp_path: Path) -> None:
    """Upstream sends half, waits, and then the rest: the right one, or one that has another digest."""
    right = random(3 << 20)
    for rest in (right[2 << 20 :], b"\0" * (1 << 20)):
        with LyingUpstream(right, rest) as upstream:
            cache = RegistryServer("--proxy", f"http://127.0.0.1:{upstream.port}")
            try:
                path = f"/v2/app/blobs/{digest_of(right)}"
                client = http.client.HTTPConnection("127.0.0.1", cache.port, timeout=30)
                client.request("GET", path)
                answer = client.getresponse()
                assert answer.headers["Content-Length"] == str(len(right))
                assert answer.read(1 << 20) == right[: 1 << 20], "what is here is handed out"
                upstream.go_on.set()
                if rest == right[2 << 20 :]:
                    assert answer.read() == right[1 << 20 :]
                    assert cache.ask("GET", path).body == right
                else:
                    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                        answer.read()
                    assert not [file for file in cache.files() if file.stat().st_size], "nothing of it is kept"
            finally:
                cache.close()


class LyingUpstream(ThreadingHTTPServer):
    """A registry with one blob, which it sends in two parts."""

    daemon_threads = True

    def __init__(self, blob: bytes, rest: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Lies)
        self.blob, self.rest = blob, rest
        self.port = self.server_port
        self.go_on = threading.Event()

    def __enter__(self) -> "LyingUpstream":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.shutdown()
        self.server_close()


class Lies(BaseHTTPRequestHandler):
    """Its answers."""

    server: LyingUpstream

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.blob) if "blobs" in self.path else 0))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if "blobs" in self.path:
            self.wfile.write(self.server.blob[: 2 << 20])
            self.server.go_on.wait(30)
            self.wfile.write(self.server.rest)
