"""Finding libraries as ld.so does, on made-up trees, and as `ldd` says it does, on this machine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.images.libraries import Loader
from unit.images.test_elf import crafted


class Tree:
    """A root file system of ELF files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def elf(self, path: str, *needed: str, rpath: str = "", runpath: str = "", interpreter: str = "") -> None:
        """Put an ELF file there."""
        self.file(path, crafted(needed=list(needed), rpath=rpath, runpath=runpath, interpreter=interpreter))

    def file(self, path: str, data: bytes) -> None:
        """Put a file there."""
        (self.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path.lstrip("/")).write_bytes(data)

    def needs(self, program: str) -> tuple[list[str], list[str]]:
        """What the program needs, and what is missing."""
        return Loader(self.root).needs(program)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_libraries_need_libraries_and_the_interpreter_comes_first(tree: Tree) -> None:
    tree.elf("/bin/p", "liba.so", "libc.so", interpreter="/lib/ld.so")
    tree.elf("/lib/liba.so", "libb.so")
    tree.elf("/usr/lib/libb.so", "libc.so", "liba.so")
    tree.elf("/lib/libc.so")
    assert tree.needs("/bin/p") == (["/lib/ld.so", "/lib/liba.so", "/lib/libc.so", "/usr/lib/libb.so"], [])


def test_what_is_missing_is_named(tree: Tree) -> None:
    tree.elf("/bin/p", "liba.so", "gone.so")
    tree.elf("/lib/liba.so", "lost.so")
    assert tree.needs("/bin/p") == (["/lib/liba.so"], ["gone.so", "lost.so"])


def test_runpath_is_for_the_file_itself_and_rpath_for_those_below_too(tree: Tree) -> None:
    tree.elf("/bin/with_rpath", "liba.so", rpath="/opt")
    tree.elf("/bin/with_runpath", "liba.so", runpath="/opt")
    tree.elf("/opt/liba.so", "libb.so")
    tree.elf("/opt/libb.so")
    assert tree.needs("/bin/with_rpath") == (["/opt/liba.so", "/opt/libb.so"], [])
    assert tree.needs("/bin/with_runpath") == (["/opt/liba.so"], ["libb.so"])


def test_origin_is_where_the_file_is(tree: Tree) -> None:
    tree.elf("/opt/app/bin/p", "liba.so", runpath="$ORIGIN/../lib")
    tree.elf("/opt/app/lib/liba.so", "libb.so", runpath="${ORIGIN}")
    tree.elf("/opt/app/lib/libb.so")
    assert tree.needs("/opt/app/bin/p") == (["/opt/app/lib/liba.so", "/opt/app/lib/libb.so"], [])


def test_rpath_comes_before_configuration_and_that_before_the_defaults(tree: Tree) -> None:
    for directory in ("/r", "/configured", "/lib"):
        tree.elf(f"{directory}/liba.so")
        if directory != "/r":
            tree.elf(f"{directory}/libb.so")
    tree.elf("/lib/libd.so")
    tree.file("/etc/ld.so.conf", b"# comment\ninclude ld.so.conf.d/*.conf\n/nowhere\n")
    tree.file("/etc/ld.so.conf.d/x.conf", b"/configured/\n")
    tree.elf("/bin/p", "liba.so", "libb.so", "libd.so", rpath="/r")
    assert tree.needs("/bin/p")[0] == ["/r/liba.so", "/configured/libb.so", "/lib/libd.so"]


def test_a_library_for_another_processor_is_passed_over(tree: Tree) -> None:
    tree.file("/lib64/liba.so", crafted(needed=[], order=">"))
    tree.file("/usr/lib64/liba.so", b"no ELF file")
    tree.elf("/usr/lib/liba.so")
    tree.elf("/bin/p", "liba.so")
    assert tree.needs("/bin/p") == (["/usr/lib/liba.so"], [])


def test_a_path_as_a_name_is_taken_as_it_is(tree: Tree) -> None:
    tree.elf("/bin/p", "/opt/liba.so", "relative/liba.so")
    tree.elf("/opt/liba.so")
    assert tree.needs("/bin/p") == (["/opt/liba.so"], ["relative/liba.so"])


def test_an_endless_include_ends(tree: Tree) -> None:
    tree.file("/etc/ld.so.conf", b"include /etc/ld.so.conf\n/configured\n")
    tree.elf("/configured/liba.so")
    tree.elf("/bin/p", "liba.so")
    assert tree.needs("/bin/p") == (["/configured/liba.so"], [])


def test_a_script_or_a_static_program_needs_nothing(tree: Tree) -> None:
    tree.file("/bin/script", b"#!/bin/sh\n")
    tree.elf("/bin/static")
    assert tree.needs("/bin/script") == tree.needs("/bin/static") == ([], [])


@pytest.mark.skipif(shutil.which("ldd") is None, reason="needs ldd to compare with")
@pytest.mark.parametrize("name", ["ls", "sh", "bash", "ps", "mount", "python3", "tar", "grep"])
def test_the_answer_is_that_of_ldd(name: str) -> None:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    program = str(Path(program).resolve())
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip(f"{name} is no dynamic program")
    expected = {Path(path).resolve() for path in re.findall(r"(?:=> |\t)(/\S+) \(0x", said.stdout)}
    found, missing = Loader().needs(program)
    assert not missing
    assert {Path(path).resolve() for path in found} == expected
