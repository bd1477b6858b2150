"""Do images load, run, and go as docker's do?"""

import bz2
import gzip
import json
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from archives import docker_archive, file, link, oci_layout, sha256, tar
from engine import Client
from expect import CREATE, IMAGE, ONCE, OUTSIDE, Docker, says

ID = "sha256:[0-9a-f]{64}"
OPAQUE = ".wh..wh..opq"


@pytest.fixture
def tag(engine: Client, name: str) -> Iterator[str]:
    """An image name that is free, and is freed again."""
    yield f"{name}:v1"
    engine.docker("rmi", "-f", f"{name}:v1")


@pytest.fixture(scope="session")
def busybox(image_tar: Path) -> bytes:
    """The layer that the other images of this file stand on."""
    return image_tar.read_bytes()


def load(docker: Docker, tmp_path: Path, archive: bytes) -> None:
    """`docker load` of an archive, which must work."""
    path = tmp_path / "image.tar"
    path.write_bytes(archive)
    says(docker("load", "-i", str(path)), r"Loaded image.*\n")


def test_import_tag_and_rmi(docker: Docker, image_tar: Path, tag: str, name: str) -> None:
    result = docker("import", "--change", "CMD echo from the image", "--message", "made here", str(image_tar), tag)
    says(result, f"{ID}\n")
    says(docker(*ONCE, tag), "from the image\n")
    says(docker("images", name, "--format", "{{.Repository}} {{.Tag}} {{.Size}}"), rf"{name} v1 [\d.]+MB\n")
    says(docker("history", "--no-trunc", "--format", "{{.Comment}}", tag), "made here\n")
    says(docker("tag", tag, f"{name}:v2"))
    says(docker("rmi", f"{name}:v2"), f"Untagged: {name}:v2\n")
    says(docker("rmi", tag), rf"Untagged: {tag}\nDeleted: {ID}\n(Deleted: {ID}\n)*")


def test_import_with_changes(docker: Docker, image_tar: Path, tag: str) -> None:
    changes = (
        "ENV A=1",
        "WORKDIR /w",
        "USER www",
        'ENTRYPOINT ["echo"]',
        'CMD ["b"]',
        "LABEL k=v",
        "EXPOSE 80",
    )
    docker("import", *(word for change in changes for word in ("--change", change)), str(image_tar), tag)
    [shown] = json.loads(docker("image", "inspect", tag).stdout)
    config = shown["Config"]
    assert (config["Env"], config["WorkingDir"], config["User"]) == (["A=1"], "/w", "www")
    assert (config["Entrypoint"], config["Cmd"], config["Labels"]) == (["echo"], ["b"], {"k": "v"})
    assert config["ExposedPorts"] == {"80/tcp": {}}
    assert (shown["Os"], shown["RepoTags"], shown["RootFS"]["Type"]) == ("linux", [tag], "layers")


def test_rmi_of_an_image_in_use(docker: Docker, image_tar: Path, tag: str, name: str) -> None:
    docker("import", "--change", 'CMD ["sh"]', str(image_tar), tag)
    docker(*CREATE, "--name", name, tag)
    wanted = (
        rf'unable to remove repository reference "{tag}" \(must force\) - container \w{{12}} is using its referenced'
    )
    says(docker("rmi", tag), err=wanted, code=1)
    says(docker("rmi", "-f", tag), f"Untagged: {tag}\n(Deleted: {ID}\n)*")
    docker("rm", name)


def test_what_is_not_there(docker: Docker) -> None:
    for line in ("tag nosuch x", "rmi nosuch", "history nosuch", "save nosuch -o /tmp/never-written"):
        says(docker(*line.split()), err="No such image: nosuch", code=1)
    says(docker("image", "inspect", "nosuch"), r"\[\]\n", err="No such image: nosuch", code=1)
    says(docker("run", "--pull", "never", "nosuch"), err="No such image: nosuch:latest", code=125)
    says(docker("images", "--filter", "bogus=1"), err="invalid filter 'bogus'", code=1)
    says(docker("tag", IMAGE, "BAD NAME"), err="invalid reference format|not a valid repository/tag", code=1)


def test_save_and_load_give_the_same_image(docker: Docker, tmp_path: Path, image_tar: Path, tag: str) -> None:
    docker("import", "--change", 'CMD ["echo", "saved"]', str(image_tar), tag)
    before = docker("image", "inspect", "-f", "{{.Id}} {{.RootFS.Layers}}", tag).stdout
    path = tmp_path / "saved.tar"
    says(docker("save", "-o", str(path), tag))
    with tarfile.open(path) as saved:
        members = saved.getnames()
        manifest = json.load(saved.extractfile("manifest.json") or pytest.fail("no manifest.json"))
    assert manifest[0]["RepoTags"] == [tag]
    assert {manifest[0]["Config"], *manifest[0]["Layers"]} <= set(members)
    docker("rmi", tag)
    says(docker("load", "-i", str(path)), f"Loaded image: {tag}\n")
    assert docker("image", "inspect", "-f", "{{.Id}} {{.RootFS.Layers}}", tag).stdout == before
    says(docker(*ONCE, tag), "saved\n")


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, bz2.compress, zstandard.compress, bytes], ids=lambda f: f.__module__
)
def test_load_unpacks_what_it_finds(docker: Docker, tmp_path: Path, busybox: bytes, tag: str, pack: object) -> None:
    if OUTSIDE and pack is zstandard.compress:
        pytest.skip("dockerd learnt zstd after 20.10")
    archive = docker_archive(tag, [busybox])
    load(docker, tmp_path, pack(archive))  # type: ignore[operator]
    says(docker(*ONCE, tag, "echo", "there"), "there\n")


@pytest.mark.parametrize(
    ("kind", "pack"), [("tar", bytes), ("tar+gzip", gzip.compress), ("tar+zstd", zstandard.compress)]
)
def test_load_of_an_oci_layout(
    docker: Docker, tmp_path: Path, busybox: bytes, tag: str, kind: str, pack: object
) -> None:
    if OUTSIDE:
        pytest.skip("dockerd reads OCI layouts since 25")
    load(docker, tmp_path, oci_layout(tag, [busybox], [pack(busybox)], kind))  # type: ignore[operator]
    says(docker(*ONCE, tag, "echo", "there"), "there\n")


def test_layers_hide_and_replace(docker: Docker, tmp_path: Path, busybox: bytes, tag: str) -> None:
    folder = {"type": tarfile.DIRTYPE}
    first = tar([file("d", **folder), file("d/a", b"a1"), file("d/b", b"b1"), file("e", **folder), file("e/x", b"x1"),
                 file("f", b"f1"), link("s", "d/a"), link("h", "f", tarfile.LNKTYPE)])  # fmt: skip
    second = tar([file("d/.wh.a"), file("d/c", b"c2"), file("e", **folder), file(f"e/{OPAQUE}"), file("e/y", b"y2"),
                  file("f", **folder), file("f/now", b"a directory")])  # fmt: skip
    load(docker, tmp_path, docker_archive(tag, [busybox, first, second]))
    says(docker(*ONCE, tag, "sh", "-c", "ls d e f; cat d/b d/c e/y h; readlink s"),
         "d:\nb\nc\n\ne:\ny\n\nf:\nnow\nb1c2y2f1d/a\n")  # fmt: skip
    history = docker("history", "--format", "{{.CreatedBy}}", tag).stdout.splitlines()
    assert history == ["layer 2", "layer 1", "layer 0"]


def test_modes_owners_and_times_are_kept(docker: Docker, tmp_path: Path, busybox: bytes, tag: str) -> None:
    layer = tar([file("suid", b"x", mode=0o4711, uid=1000, gid=2000, mtime=1_000_000_000),
                 file("sticky", type=tarfile.DIRTYPE, mode=0o1777), file("fifo", type=tarfile.FIFOTYPE, mode=0o640),
                 file("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)])  # fmt: skip
    load(docker, tmp_path, docker_archive(tag, [busybox, layer]))
    says(docker(*ONCE, tag, "stat", "-c", "%n %a %u:%g %Y %F", "suid"), "suid 4711 1000:2000 1000000000 regular file\n")
    says(docker(*ONCE, tag, "stat", "-c", "%n %a %F %t:%T", "sticky", "fifo", "null"),
         "sticky 1777 directory 0:0\nfifo 640 fifo 0:0\nnull 666 character special file 1:3\n")  # fmt: skip


def test_the_root_directory_is_open_to_all(docker: Docker, tmp_path: Path, busybox: bytes, tag: str) -> None:
    closed = tar([file(".", type=tarfile.DIRTYPE, mode=0o700)])
    load(docker, tmp_path, docker_archive(tag, [busybox, closed]))
    says(docker(*ONCE, "-u", "1000", tag, "stat", "-c", "%a", "/"), "755\n")


def test_a_layer_is_written_to_by_one_container_alone(docker: Docker, name: str) -> None:
    docker(
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        name,
        IMAGE,
        "sh",
        "-c",
        "echo mine >/etc/passwd; rm /etc/group; sleep 99",
    )
    says(
        docker(*ONCE, IMAGE, "sh", "-c", "head -1 /etc/passwd; ls /etc/group"),
        "root:x:0:0:root:/root:/bin/sh\n/etc/group\n",
    )


def test_the_diff_id_is_the_digest_of_the_layer(docker: Docker, tmp_path: Path, busybox: bytes, tag: str) -> None:
    load(docker, tmp_path, docker_archive(tag, [busybox], packed=[gzip.compress(busybox)]))
    assert docker("image", "inspect", "-f", "{{index .RootFS.Layers 0}}", tag).stdout == f"sha256:{sha256(busybox)}\n"


def test_image_prune(docker: Docker, image_tar: Path, tag: str, name: str) -> None:
    docker("import", "--change", f"LABEL made={name}", str(image_tar), tag)
    first = docker("image", "inspect", "-f", "{{.Id}}", tag).stdout.strip()
    docker("import", "--change", "CMD twice", "--change", f"LABEL made={name}", str(image_tar), tag)
    assert first in docker("images", "-q", "--no-trunc", "--filter", "dangling=true").stdout
    says(docker("image", "prune", "-f", "--filter", f"label=made={name}"), ".*Total reclaimed space: .*")
    says(docker("image", "inspect", first), r"\[\]\n", err="No such image", code=1)
    says(docker(*ONCE, tag, "true"))
