"""An image of the host's own programs: complete, the same each time, and without what identifies the host."""

import io
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from sampan.errors import InvalidRequest
from sampan.images.from_host import build_from_host
from sampan.images.images import Images


def built(*programs: str) -> tarfile.TarFile:
    """The layer of these programs."""
    output = io.BytesIO()
    build_from_host(programs, output)
    output.seek(0)
    return tarfile.open(fileobj=output)


def test_the_default_image_has_a_shell_and_coreutils(images: Images) -> None:
    image = images.from_host("mini")
    assert image.repo_tags == ["mini:latest"]
    assert image.config.run.cmd == ("/bin/sh",)
    assert image.config.run.env == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    with tarfile.open(images.store.layers.tar(image.diff_ids[0])) as layer:
        names = {os.path.basename(name) for name in layer.getnames()}
    assert {"sh", "ls", "cat", "echo", "env", "id", "sleep", "true", "false", "uname", "passwd", "group"} <= names


def test_the_same_host_makes_the_same_image(images: Images) -> None:
    assert images.from_host("one", ["sh", "ls"]).id == images.from_host("two", ["sh", "ls"]).id
    assert images.from_host("three", ["sh", "cat"]).id != images.get("one").id


def test_parents_come_before_children_and_nothing_comes_twice() -> None:
    with built("sh", "ls") as layer:
        names = layer.getnames()
    assert len(names) == len(set(names))
    for position, name in enumerate(names):
        parent = os.path.dirname(name)
        assert not parent or parent in names[:position], name


def test_what_identifies_the_host_stays_out_of_it() -> None:
    with built("sh", "mount") as layer:
        for member in layer:
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
            assert not member.mode & (stat.S_ISUID | stat.S_ISGID), f"{member.name} is set-user-ID"
        passwd = layer.extractfile("etc/passwd")
        assert passwd and passwd.read() == (
            b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        )
        assert layer.getmember("tmp").mode == 0o1777
        assert not {"etc/shadow", "etc/hostname", "etc/machine-id", "etc/hosts"} & set(layer.getnames())


def test_links_on_the_way_are_kept() -> None:
    with built("/bin/sh") as layer:
        names = layer.getnames()
        if os.path.islink("/bin"):
            assert layer.getmember("bin").linkname == os.readlink("/bin")
        if os.path.islink("/bin/sh"):
            assert layer.getmember(os.path.realpath("/bin").lstrip("/") + "/sh").linkname == os.readlink("/bin/sh")
        assert os.path.realpath("/bin/sh").lstrip("/") in names


def test_a_script_brings_its_interpreter(tmp_path: Path) -> None:
    script, through_env = tmp_path / "script", tmp_path / "through_env"
    script.write_text("#!/bin/sh -e\n")
    through_env.write_text("#!/usr/bin/env cat\n")
    for path in (script, through_env):
        path.chmod(0o755)
    with built(str(script), str(through_env)) as layer:
        names = layer.getnames()
    for needed in (str(script), str(through_env), "/bin/sh", "/usr/bin/env", shutil.which("cat") or ""):
        assert os.path.realpath(needed).lstrip("/") in names


def test_a_program_that_is_not_here_is_named(images: Images, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no program")
    for program in ("no-such-program", "/no/such/program", str(tmp_path), str(tmp_path / "plain")):
        with pytest.raises(InvalidRequest, match="no such program on this host"):
            images.from_host("x", [program])
    assert not images.all()


def test_the_first_program_is_the_command_when_there_is_no_shell(images: Images) -> None:
    assert images.from_host("x", ["ls", "cat"]).config.run.cmd == (shutil.which("ls"),)


@pytest.mark.needs_root
def test_the_programs_run_there(tmp_path: Path) -> None:
    with built() as layer:
        for member in layer:  # our own tar: what it holds is known
            layer.extract(member, tmp_path, set_attrs=True)
    said = subprocess.run(
        [
            shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin") or "chroot",
            str(tmp_path),
            "/bin/sh",
            "-c",
            "id -un; ls -d /tmp; echo a | cat; cd /; pwd; stat -c %a /tmp",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (said.stdout, said.stderr) == ("root\n/tmp\na\n/\n1777\n", "")
