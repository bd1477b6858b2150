"""Does `registry serve --proxy` fetch what it does not have, once, and go on when upstream is gone?"""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_server import OCI_MANIFEST, RegistryServer, random

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
