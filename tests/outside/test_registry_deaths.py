"""A registry that is killed at any call of a push: is a manifest there whole or not at all, and does the retry work?"""

import http.client
import shutil
import subprocess

import pytest

from engine import eventually
from registry_server import RegistryServer, random

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (Debian: strace)"),
]
CALLS = ("rename", "fsync", "pwrite64", "unlink", "ftruncate", "openat")
SAMPLE = (("rename", 1), ("fsync", 2), ("pwrite64", 5))
MOST = 400


def pushed_under(server: RegistryServer, call: str, number: int, layer: bytes) -> bool:
    """Push an image while strace waits for one call; whether the registry was killed."""
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    strace = subprocess.Popen(
        ["strace", "-f", "-o", "/dev/null", *inject, "-p", str(server.process.pid)], stderr=subprocess.PIPE, text=True
    )
    assert strace.stderr and "attached" in strace.stderr.readline()
    try:
        server.push_image("app", "v1", layer)
        return False
    except (OSError, http.client.HTTPException, AssertionError, ValueError):
        assert server.process.wait(30) == -9
        return True
    finally:
        if server.process.poll() is None:
            strace.terminate()
        strace.communicate(timeout=30)


def check(server: RegistryServer, layer: bytes) -> None:
    """What is listed is whole, a push works, and when all is deleted and collected nothing is left."""
    for tag in server.ask("GET", "/v2/app/tags/list").json.get("tags", []):
        shown = server.ask("GET", f"/v2/app/manifests/{tag}")
        assert shown.status == 200
        for each in (shown.json["config"], *shown.json["layers"]):
            blob = server.ask("GET", f"/v2/app/blobs/{each['digest']}")
            assert (blob.status, len(blob.body)) == (200, each["size"])
    digest = server.push_image("app", "v1", layer)
    assert server.ask("GET", f"/v2/app/manifests/{digest}").status == 200


def tried(server: RegistryServer, call: str, number: int) -> bool:
    """One death and what comes after it; whether there was one."""
    layer = random(100_000)
    died = pushed_under(server, call, number, layer)
    if died:
        server.start()
    check(server, layer)
    return died


def test_a_sample_of_deaths() -> None:
    server = RegistryServer()
    try:
        deaths = [tried(server, call, number) for call, number in SAMPLE]
        assert all(deaths), "no such call any more"
        server.kill()
        server.flags = ("--gc-interval", "0.1", "--gc-grace", "0", "--gc-untagged", "--upload-age", "0")
        server.start()
        server.ask("DELETE", "/v2/app/manifests/v1")
        assert eventually(lambda: not server.files(), 30), server.files()
    finally:
        server.close()


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_every_death(call: str) -> None:
    server = RegistryServer()
    try:
        for number in range(1, MOST):
            if not tried(server, call, number):
                return
        pytest.fail(f"more than {MOST} calls of {call}")
    finally:
        server.close()
