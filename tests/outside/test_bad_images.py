"""Does a bad image end in a clear error, with nothing left behind and nothing written outside?"""

import gzip
import json
import os
import tarfile
from pathlib import Path

import pytest

from archives import config, docker_archive, file, link, sha256, tar
from engine import Client, Engine
from expect import ONCE, OUTSIDE, Docker, says

LAYER = tar([file("hello", b"hello")])


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A directory of this machine that no image may reach."""
    directory = tmp_path / "canary"
    directory.mkdir()
    (directory / "f").write_text("alive")
    return directory


def untouched(canary: Path) -> bool:
    """Whether the canary is as it was."""
    return os.listdir(canary) == ["f"] and (canary / "f").read_text() == "alive" and (canary / "f").stat().st_nlink == 1


def stored(engine: Client) -> set[str]:
    """The files of the engine's image stores."""
    if not isinstance(engine, Engine):
        return set()
    roots = [engine.data_root / name for name in ("content", "layers", "snapshots")]
    return {str(path) for root in roots for path in root.rglob("*")}


def refused(docker: Docker, engine: Client, tmp_path: Path, archive: bytes, reason: str) -> None:
    """`docker load` of this must fail for this reason, add nothing to the store and leave the engine well."""
    path = tmp_path / "bad.tar"
    path.write_bytes(archive)
    before, images = stored(engine), docker("images", "-aq").stdout
    says(docker("load", "-i", str(path)), ".*", err=reason, code=1)
    assert docker("images", "-aq").stdout == images
    if not OUTSIDE:
        assert stored(engine) == before
    says(docker("version", "--format", "{{.Server.Os}}"), "linux\n")


GOOD = docker_archive("bad:v1", [LAYER])


@pytest.mark.parametrize("length", [0, 100, 512, 700, 1024, 1500, 2500, len(GOOD) - 10240, len(GOOD) // 2])
def test_a_cut_archive(docker: Docker, engine: Client, tmp_path: Path, length: int) -> None:
    refused(docker, engine, tmp_path, GOOD[:length], ".+")


def test_garbage(docker: Docker, engine: Client, tmp_path: Path) -> None:
    refused(docker, engine, tmp_path, b"garbage\n" * 1000, ".+")
    refused(docker, engine, tmp_path, gzip.compress(GOOD)[:-100], ".+")
    result = docker("import", "-", "bad:v2", stdin="garbage\n")
    says(result, ".*", err="unexpected (EOF|end)|not a tar", code=1)


def test_a_layer_that_is_not_what_its_config_says(docker: Docker, engine: Client, tmp_path: Path) -> None:
    other = tar([file("hello", b"something else")])
    refused(docker, engine, tmp_path, docker_archive("bad:v1", [LAYER], packed=[other]), "sha256:.*|invalid diff ?id")


def test_more_or_fewer_layers_than_diff_ids(docker: Docker, engine: Client, tmp_path: Path) -> None:
    image = config([LAYER])
    refused(docker, engine, tmp_path, docker_archive("bad:v1", [LAYER], image, packed=[LAYER, LAYER]), "layer|manifest")


def test_a_broken_header_inside_a_layer(docker: Docker, engine: Client, tmp_path: Path) -> None:
    layer = bytearray(tar([file("one", b"1"), file("two", b"2")]))
    layer[1024 + 10] ^= 1  # the second header's name, so that its checksum is wrong
    broken = bytes(layer)
    if OUTSIDE:
        pytest.skip("dockerd takes such a layer for a shorter one")
    refused(docker, engine, tmp_path, docker_archive("bad:v1", [broken]), "checksum|header")


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[null]", "[{}]", '[{"Config": 7}]', "[" * 5000, "\ud800".encode("utf-8", "surrogatepass")],
)
def test_a_bad_manifest(docker: Docker, engine: Client, tmp_path: Path, text: str | bytes) -> None:
    if OUTSIDE and text in ("null", "[null]"):
        pytest.skip("dockerd loads nothing and calls it success, or crashes")
    content = text if isinstance(text, bytes) else text.encode()
    refused(docker, engine, tmp_path, tar([file("manifest.json", content)]), ".+")


@pytest.mark.parametrize("field", ["Config", "Layers"])
def test_paths_that_climb_out_of_the_archive(
    docker: Docker, engine: Client, tmp_path: Path, canary: Path, field: str
) -> None:
    for outside in (f"{'../' * 20}{canary}/f", str(canary / "f"), "link"):
        image = config([LAYER])
        entry = {"Config": f"{sha256(image)}.json", "RepoTags": ["bad:v1"], "Layers": ["0/layer.tar"]}
        entry[field] = outside if field == "Config" else [outside]
        members = [file(f"{sha256(image)}.json", image), file("0/layer.tar", LAYER), link("link", str(canary / "f"))]
        archive = tar([*members, file("manifest.json", json.dumps([entry]).encode())])
        refused(docker, engine, tmp_path, archive, ".+")
        assert untouched(canary)


def climbing(canary: Path) -> dict[str, list[tuple[str, bytes, dict[str, object]]]]:
    """Layers that try to get at the canary, by how they try."""
    directory = {"type": tarfile.DIRTYPE}
    up = "../" * 20
    return {
        "dots": [file(f"{up}{canary}/new", b"x"), file(f"a/{up}{canary}/f", b"x")],
        "absolute": [file(f"{canary}/new", b"x"), file(f"/{canary}/f", b"x")],
        "symlink": [link("out", str(canary)), file("out/new", b"x"), file("out/f", b"x")],
        "climbing symlink": [link("out", f"{up}{canary}"), file("out/new", b"x")],
        "symlink chain": [link("a", "b"), link("b", str(canary)), file("a/new", b"x")],
        "hard link": [link("h", f"{canary}/f", tarfile.LNKTYPE), file("h", b"x")],
        "climbing hard link": [link("h", f"{up}{canary}/f", tarfile.LNKTYPE)],
        "hard link through symlink": [link("out", str(canary)), link("h", "out/f", tarfile.LNKTYPE)],
        "whiteout": [file(f"{up}{canary}/.wh.f"), file(f"{canary}/.wh.f"), link("out", str(canary)), file("out/.wh.f")],
        "opaque": [link("out", str(canary)), file("out/.wh..wh..opq")],
        "whiteout of dots": [file("d", **directory), file("d/.wh..."), file("d/.wh..")],
        "root as a symlink": [link(".", str(canary)), file("new", b"x")],
        "mode through symlink": [link("out", str(canary / "f")), file("out", b"", mode=0o666, uid=1000)],
    }


@pytest.mark.parametrize("way", list(climbing(Path("/"))))
def test_a_layer_does_not_climb_out(
    docker: Docker, tmp_path: Path, image_tar: Path, canary: Path, name: str, way: str
) -> None:
    layers = [image_tar.read_bytes(), tar(climbing(canary)[way])]
    path = tmp_path / "climbing.tar"
    path.write_bytes(docker_archive(f"{name}:v1", layers))
    loaded = docker("load", "-i", str(path)).code == 0
    if loaded:  # then it was held inside, as a chroot would: the container may see what the layer made, no more
        docker(*ONCE, f"{name}:v1", "sh", "-c", "ls -lR /out /h /d >/dev/null 2>&1; rm -rf /out/* /h")
        docker("rmi", "-f", f"{name}:v1")
    assert untouched(canary)
    says(docker("version", "--format", "{{.Server.Os}}"), "linux\n")


def test_a_bomb_is_refused(docker: Docker, engine: Client, tmp_path: Path) -> None:
    if OUTSIDE:
        pytest.skip("dockerd unpacks it")
    bomb = gzip.compress(bytes(256 << 20), 9)
    for _ in range(2):
        bomb = gzip.compress(bomb, 9)
    flood = tar([file("zeros")]) + bytes(160 << 20)  # its digest is right: only its growth is wrong
    refused(docker, engine, tmp_path, docker_archive("bad:v1", [flood], packed=[gzip.compress(flood, 9)]), ".+")
    refused(docker, engine, tmp_path, bomb, ".+")


def test_a_huge_extended_header_is_refused(docker: Docker, engine: Client, tmp_path: Path) -> None:
    if OUTSIDE:
        pytest.skip("dockerd reads it into memory")
    layer = tar([file("x", pax_headers={"comment": "x" * (32 << 20)})])
    refused(docker, engine, tmp_path, docker_archive("bad:v1", [layer]), ".+")
