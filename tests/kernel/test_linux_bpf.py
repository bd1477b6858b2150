"""Does a device program on a cgroup decide what its processes may open?"""

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.namespaced import alone
from sampan.linux import bpf
from sampan.linux.cgroupfs import hierarchies

pytestmark = pytest.mark.needs_root


def instruction(code: int, register: int = 0, immediate: int = 0) -> bytes:
    """struct bpf_insn."""
    return struct.pack("<BBhi", code, register, 0, immediate)


def answer(value: int) -> bytes:
    """A program that says the same to everything: r0 = value; exit."""
    return instruction(0xB7, 0, value) + instruction(0x95)


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup of its own in the version 2 hierarchy, gone afterwards."""
    unified = [h for h in hierarchies() if h.version == 2]
    if not unified:
        pytest.skip("needs a version 2 cgroup hierarchy")
    path = Path(unified[0].mount) / f"sampan-test-bpf-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()


@pytest.fixture
def cgroup_fd(cgroup: Path) -> Iterator[int]:
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def load(value: int) -> int:
    """A loaded program, or a skip where the kernel has none of this kind."""
    try:
        return bpf.prog_load_cgroup_device(answer(value))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EINVAL}:
            pytest.skip("needs a kernel with CONFIG_CGROUP_BPF")
        raise


def may_open(cgroup: Path) -> bool:
    """Whether a process in the cgroup can open /dev/null."""

    def child() -> int:
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))
        try:
            os.open("/dev/null", os.O_RDONLY)
        except PermissionError:
            return 1
        return 0

    status = alone(child)
    assert status in {0, 1}
    return status == 0


def test_the_attached_program_decides(cgroup: Path, cgroup_fd: int) -> None:
    deny, allow = load(0), load(1)
    assert not os.get_inheritable(deny)
    assert bpf.attached(cgroup_fd) == []
    assert may_open(cgroup)
    bpf.attach_cgroup(deny, cgroup_fd)
    assert not may_open(cgroup)
    (program_id,) = bpf.attached(cgroup_fd)
    bpf.attach_cgroup(allow, cgroup_fd)
    assert len(bpf.attached(cgroup_fd)) == 2
    assert not may_open(cgroup), "all have to agree"
    again = bpf.prog_by_id(program_id)
    bpf.detach_cgroup(again, cgroup_fd)
    assert may_open(cgroup)
    for fd in (deny, allow, again):
        os.close(fd)


def test_a_program_is_replaced_in_one_step(cgroup: Path, cgroup_fd: int) -> None:
    allow, deny = load(1), load(0)
    bpf.attach_cgroup(allow, cgroup_fd)
    bpf.attach_cgroup(deny, cgroup_fd, replace_fd=allow)
    assert len(bpf.attached(cgroup_fd)) == 1
    assert not may_open(cgroup)
    os.close(allow)
    os.close(deny)


def test_the_verifier_explains_a_refusal(cgroup: Path) -> None:
    os.close(load(1))
    with pytest.raises(OSError, match=r"R0 !read_ok|jump out of range|last insn") as caught:
        bpf.prog_load_cgroup_device(instruction(0x95))
    assert caught.value.errno in {errno.EACCES, errno.EINVAL}


def test_a_program_that_is_gone_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        bpf.prog_by_id(0x7FFFFFFF)


def test_nothing_is_written_past_what_the_kernel_was_told_of() -> None:
    # Linux 6.17 to 7.1 does, so every buffer must be larger than any union bpf_attr yet (about 160 bytes).
    assert bpf.ATTR_BYTES >= 512
    assert max(bpf._LOAD.size, bpf._ATTACH.size, bpf._QUERY.size, bpf._BY_ID.size) <= 128
