"""Rows of the security catalogue about images that are made to do harm."""

import gzip
import json
from pathlib import Path

import pytest

from archives import docker_archive, file, oci_layout, sha256, tar
from engine import Client
from expect import ONCE, OUTSIDE, Docker, says

LAYERS_MAX = 500


def stacked(count: int, base: bytes) -> list[bytes]:
    """Layers, each with a file of its own, on top of one that can run something."""
    return [base, *(tar([file(f"layer/{number}", b"%d" % number)]) for number in range(count - 1))]


@pytest.mark.parametrize("count", [130, pytest.param(500, marks=pytest.mark.soak), 501])
def test_an_image_of_very_many_layers(docker: Docker, tmp_path: Path, image_tar: Path, name: str, count: int) -> None:
    """C20: more layers than a page of mount options holds are joined; more than the kernel joins are refused."""
    if OUTSIDE:
        pytest.skip("dockerd's limit is 125")
    one = tar([file("x")])
    # Of the image that is refused only the config has so many: it is refused before its layers are looked at.
    layers, packed = ([one] * count, [one]) if count > LAYERS_MAX else (stacked(count, image_tar.read_bytes()), None)
    path = tmp_path / "many.tar"
    path.write_bytes(docker_archive(f"{name}:v1", layers, packed=packed))
    loaded = docker("load", "-i", str(path), timeout=110)
    if count > LAYERS_MAX:
        says(loaded, ".*", err="at most 500", code=1)
        return
    says(loaded, "Loaded image.*")
    try:
        says(docker(*ONCE, f"{name}:v1", "sh", "-c", "ls /layer | wc -l"), f"{count - 1}\n")
    finally:
        docker("rmi", "-f", f"{name}:v1")


@pytest.mark.parametrize("kind", ["erofs", "squashfs", "vnd.oci.image.layer.v1.erofs"])
def test_a_filesystem_image_is_no_layer(docker: Docker, engine: Client, tmp_path: Path, kind: str) -> None:
    """C21: the kernel parses no filesystem that a stranger made; not by its media type, nor in a layer's place."""
    superblock = bytes(1024) + b"\xe2\xe1\xf5\xe0" + bytes(4096)  # what the kernel would take for an EROFS
    path = tmp_path / "image.tar"
    before = engine.docker("images", "-aq").stdout
    layer = tar([file("f", b"x")])
    path.write_bytes(oci_layout("bad:v1", [layer], [gzip.compress(layer)], kind))
    says(docker("load", "-i", str(path)), ".*", err="unsupported|invalid|media type|unknown", code=1)
    path.write_bytes(docker_archive("bad:v1", [layer], packed=[superblock]))
    says(docker("load", "-i", str(path)), ".*", err=".+", code=1)
    assert engine.docker("images", "-aq").stdout == before


def broken_configs(layer: bytes) -> list[bytes]:
    """Image configs that are wrong in one way each."""
    good = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]},
    }
    wrong: list[object] = [
        {**good, "config": {"Cmd": 7}}, {**good, "config": {"Env": "A=b"}}, {**good, "config": {"Env": [1]}},
        {**good, "config": {"ExposedPorts": {"80/tcp": 1}}}, {**good, "config": {"Labels": {"a": None, "b": {}}}},
        {**good, "config": {"Volumes": ["/x"]}}, {**good, "config": {"Healthcheck": {"Interval": "x"}}},
        {**good, "history": [{"empty_layer": "yes"}]}, {**good, "history": {}}, {**good, "rootfs": None},
        {**good, "rootfs": {"type": "layers", "diff_ids": ["../../etc"]}}, {**good, "rootfs": {"diff_ids": 3}},
        {**good, "os": 5}, {**good, "os": "windows"}, {**good, "created": 12}, {**good, "config": [1]}, [], "x", 3,
    ]  # fmt: skip
    texts = [json.dumps(each).encode() for each in wrong]
    text = json.dumps(good).encode()
    texts += [text[:-1], text + b"}", text.replace(b'"os"', b'"os": "linux", "os"'), b"[" * 100_000, b"\xff" + text]
    return [*texts, text.replace(b"linux", b"\\ud800"), text[:-1] + b',"x":NaN}', text[:-1] + b',"x":1e999999}']


def test_configs_that_are_wrong_are_refused_one_by_one(docker: Docker, engine: Client, tmp_path: Path) -> None:
    """C18: each is an error of its own request; the daemon is the same process afterwards, and has nothing more."""
    if OUTSIDE:
        pytest.skip("dockerd takes some of them")
    layer = tar([file("f", b"x")])
    before = engine.docker("images", "-aq").stdout
    pid = getattr(engine, "pid", 0)
    path = tmp_path / "image.tar"
    for config in broken_configs(layer):
        path.write_bytes(docker_archive("bad:v1", [layer], config))
        result = docker("load", "-i", str(path))
        assert result.code == 1 and "internal" not in result.stderr, (config[:200], result)
    assert engine.docker("images", "-aq").stdout == before
    assert getattr(engine, "pid", 0) == pid
    says(docker("version", "--format", "{{.Server.Os}}"), "linux\n")
