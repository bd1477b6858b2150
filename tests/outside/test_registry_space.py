"""Does a registry give space back, and lose nothing, whatever happens: collection, kill -9, a disk that is full?"""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import eventually
from registry_server import RegistryServer, digest_of, random

COLLECTS = ("--gc-interval", "0.1", "--gc-grace", "2", "--gc-untagged", "--upload-age", "2")


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    server = RegistryServer(*COLLECTS)
    yield server
    server.close()


def blobs(registry: RegistryServer) -> set[str]:
    """The hex of every blob on the disk."""
    return {path.name for path in (registry.data / "content" / "sha256").iterdir()}


def test_what_nobody_names_goes_and_the_rest_stays(registry: RegistryServer) -> None:
    kept = registry.push_image("app", "1", random(1000))
    untagged = registry.push_image("app", "", random(1000))
    lone = registry.push_blob("app", random(1000))
    location = registry.ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    assert registry.ask("PATCH", location, random(1000)).status == 202
    hexes = {each.partition(":")[2] for each in (untagged, lone)}
    assert eventually(lambda: not hexes & blobs(registry), 20)
    assert eventually(lambda: not list((registry.data / "uploads").iterdir()), 20)
    assert registry.ask("GET", location).status == 404
    shown = registry.ask("GET", f"/v2/app/manifests/{kept}")
    assert shown.status == 200
    for each in (shown.json["config"], *shown.json["layers"]):
        assert registry.ask("HEAD", f"/v2/app/blobs/{each['digest']}").status == 200
    registry.ask("DELETE", "/v2/app/manifests/1")
    assert eventually(lambda: not blobs(registry), 20)


@pytest.mark.needs_root
def test_killed_in_the_middle_of_pushes(image_tar: Path) -> None:
    server = RegistryServer()
    try:
        data = random(3_000_000)
        location = server.ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
        assert server.ask("PATCH", location, data[:1_000_000]).status == 202
        finished = server.push_image("app", "done", data[:5])
        (server.data / "uploads" / ("f" * 32)).write_bytes(b"of nobody")
        server.kill()
        server.start()
        assert server.ask("GET", "/v2/app/manifests/done").status == 200, "what was acknowledged is there"
        assert digest_of(server.ask("GET", f"/v2/app/manifests/{finished}").body) == finished
        answer = server.ask("GET", location)
        assert (answer.status, answer.headers["Range"]) == (204, "0-999999"), "the client can go on"
        rest = {"Content-Range": "1000000-2999999"}
        done = server.ask("PUT", f"{location}?digest={digest_of(data)}", data[1_000_000:], rest)
        assert done.status == 201
        assert server.ask("GET", done.headers["Location"]).body == data
        assert not list((server.data / "uploads").iterdir())
    finally:
        server.close()


@pytest.mark.needs_root
def test_a_disk_that_is_full() -> None:
    """A push that does not fit is told so and leaves nothing; what fits afterwards still does."""
    directory = Path("/var/tmp") / f"sampan-full-{os.getpid()}"
    directory.mkdir()
    script = f'mount -t tmpfs -o size=8m none {directory} && exec "$@"'
    server = RegistryServer("--data-root", str(directory), prefix=("unshare", "-m", "sh", "-c", script, "sh"))
    try:
        small, large = random(1 << 20), random(16 << 20)
        server.push_blob("app", small)
        location = server.ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
        answer = server.ask("PATCH", location, large)
        assert (answer.status, answer.json["errors"][0]["message"]) == (507, "no space left on the registry's disk")
        answer = server.ask("POST", f"/v2/app/blobs/uploads/?digest={digest_of(large)}", large)
        assert answer.status == 507
        assert server.ask("DELETE", location).status == 204
        server.push_blob("app", random(5 << 20))
        assert server.ask("GET", f"/v2/app/blobs/{digest_of(small)}").body == small
    finally:
        server.close()
        directory.rmdir()


def test_it_ends_at_once_when_nothing_goes_on() -> None:
    server = RegistryServer()
    idle = http.client.HTTPConnection("127.0.0.1", server.port)
    idle.request("GET", "/v2/")
    idle.getresponse().read()
    with socket.create_connection(("127.0.0.1", server.port)):
        begin = time.monotonic()
        server.close()
    assert time.monotonic() - begin < 8, "it does not wait for those who are only connected"
    idle.close()


def test_two_registries_do_not_share_a_directory(registry: RegistryServer) -> None:
    second = [sys.executable, "-m", "sampan", "registry", "serve", "--data-root", str(registry.data)]
    done = subprocess.run(second, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1 and "another registry uses" in done.stderr


@pytest.mark.parametrize("flag", ["--uploads=2", "--upload-size=1m"])
def test_bounds_of_uploads(flag: str) -> None:
    server = RegistryServer(flag)
    try:
        answers = [server.ask("POST", "/v2/app/blobs/uploads/") for _ in range(3)]
        if flag == "--uploads=2":
            assert [answer.status for answer in answers] == [202, 202, 429]
            server.ask("DELETE", answers[0].headers["Location"])
            assert server.ask("POST", "/v2/app/blobs/uploads/").status == 202
        else:
            answer = server.ask("PATCH", answers[0].headers["Location"], random((1 << 20) + 1))
            assert (answer.status, answer.code) == (413, "SIZE_INVALID")
            assert server.ask("PATCH", answers[1].headers["Location"], random(1 << 20)).status == 202
    finally:
        server.close()


@pytest.mark.needs_root
@pytest.mark.parametrize("client", ["skopeo", "podman"])
def test_other_clients_push_and_pull(
    registry: RegistryServer, client: str, image_tar: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if shutil.which(client) is None:
        pytest.skip(f"needs {client} (Debian: {client})")
    name = f"{registry.address}/by/{client}:1"
    if client == "skopeo":
        copy = ["skopeo", "--tmpdir", str(tmp_path), "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
        commands = [
            [*copy, f"tarball:{image_tar}", f"docker://{name}"],
            [*copy, f"docker://{name}", f"docker://{registry.address}/mounted/{client}:2"],
            [*copy, f"docker://{name}", f"oci:{tmp_path / 'oci'}:1"],
            [*copy, "--dest-compress-format", "zstd", f"oci:{tmp_path / 'oci'}:1", f"docker://{name}-zstd"],
            ["skopeo", "delete", "--tls-verify=false", f"docker://{name}-zstd"],
        ]
    else:
        run_root = tempfile.mkdtemp(prefix="p-", dir="/run")  # podman wants it short
        request.addfinalizer(lambda: shutil.rmtree(run_root, ignore_errors=True))
        podman = ["podman", "--root", str(tmp_path / "root"), "--runroot", run_root]
        podman += ["--storage-driver", "vfs", "--events-backend", "none", "--cgroup-manager", "cgroupfs"]
        commands = [
            [*podman, "import", str(image_tar), name],
            [*podman, "push", "--tls-verify=false", name],
            [*podman, "rmi", "-f", name],
            [*podman, "pull", "--tls-verify=false", name],
            [*podman, "image", "inspect", name],
            [*podman, "rmi", "-f", name],
        ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
