"""Does a database keep its data on a volume: over containers, over a restart of the engine, in a backup, in a copy?

Redis from Debian's packages, with the append-only file that it writes for every change.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import config, docker_archive
from debian_packages import layer
from engine import Engine, eventually
from expect import OUTSIDE, says

PACKAGES = [
    "redis-server", "redis-tools", "libatomic1", "libc6", "libstdc++6", "libgcc-s1", "libjemalloc2", "liblzf1",
    "libssl3", "libsystemd0", "libcap2", "libgcrypt20", "libgpg-error0", "liblz4-1", "liblzma5", "libzstd1",
    "liblua5.1-0", "lua-bitop", "lua-cjson",
]  # fmt: skip
SERVER = ["redis-server", "--dir", "/data", "--appendonly", "yes", "--appendfsync", "always", "--save", ""]


@pytest.fixture
def redis(own_engine: Engine, image_tar: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine with an image of Redis, whose data is a volume of the image's."""
    if OUTSIDE:
        pytest.skip("needs an engine of its own")
    packages = layer(PACKAGES)
    if packages is None:
        pytest.skip("Debian's packages cannot be downloaded")
    layers = [image_tar.read_bytes(), packages]
    path = tmp_path / "redis.tar"
    settings = {"Cmd": SERVER, "Volumes": {"/data": {}}}
    path.write_bytes(docker_archive("redis:v1", layers, config(layers, **settings)))
    says(own_engine.docker("load", "-i", str(path)), ".*")
    yield own_engine
    own_engine.docker("rm", "-fv", *own_engine.docker("ps", "-aq").stdout.split())


def start(engine: Engine, name: str, volume: str, *more: str) -> None:
    """A server that answers, its data on a volume."""
    says(engine.docker("run", "-d", "--name", name, "-v", f"{volume}:/data", *more, "redis:v1"), "[0-9a-f]{64}\n")
    assert eventually(lambda: say(engine, name, "PING") == "PONG", 20), engine.docker("logs", name).stdout


def say(engine: Engine, name: str, *words: str) -> str:
    """What the server answers."""
    return engine.docker("exec", name, "redis-cli", *words).stdout.strip()


def test_data_outlives_containers_and_travels(redis: Engine, tmp_path: Path) -> None:
    start(redis, "first", "data")
    for number in range(20):
        assert say(redis, "first", "SET", f"key{number}", f"value{number}") == "OK"
    redis.docker("rm", "-f", "first")  # killed: what was acknowledged is in the file
    start(redis, "second", "data")
    assert say(redis, "second", "DBSIZE") == "20"
    assert say(redis, "second", "GET", "key7") == "value7"
    redis.kill()
    redis.start()
    assert say(redis, "second", "SET", "after", "the daemon's death") == "OK"
    backup = tmp_path / "backup.tar"
    says(redis.sampan("volume", "export", "-o", str(backup), "data"), "")
    says(redis.sampan("volume", "import", "restored", str(backup)), "restored\n")
    start(redis, "third", "restored")
    assert say(redis, "third", "DBSIZE") == "21"
    assert say(redis, "third", "DEL", "key7") == "1"
    assert say(redis, "second", "GET", "key7") == "value7"
    redis.docker("stop", "second")
    says(redis.sampan("volume", "clone", "data", "copy"), "copy\n")
    start(redis, "fourth", "copy")
    assert say(redis, "fourth", "GET", "after") == "the daemon's death"
    shared = redis.docker("run", "--rm", "--volumes-from", "fourth:ro", "--entrypoint", "ls", "redis:v1", "/data")
    says(shared, "appendonlydir\n")
