"""How does a version 2 cgroup get its device rules?

bpf(2), Documentation/bpf/prog_cgroup_sysctl.rst's sibling BPF_PROG_TYPE_CGROUP_DEVICE: a program that the kernel asks
before each mknod and open of a device by the cgroup's processes. Several may be attached; all have to agree.
"""

import errno
import struct
from ctypes import addressof, c_char, create_string_buffer

from sampan.linux.call import failure, syscall

BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8
BPF_PROG_DETACH = 9
BPF_PROG_GET_FD_BY_ID = 13
BPF_PROG_QUERY = 16

BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2
BPF_F_REPLACE = 4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import Array

INSTRUCTION_BYTES = 8
# Linux 6.17 to 7.1 writes past the end of the union bpf_attr that it was told of, so there is room, and it is zeroed.
ATTR_BYTES = 512
LOG_BYTES = 64 * 1024
PROGRAMS_MAX = 64  # BPF_CGROUP_MAX_PROGS

# The members of union bpf_attr that are used, from its start.
_LOAD = struct.Struct("IIQQIIQII16sII")  # type, count, insns, license, log level, size, buffer, …, expected attach type
_ATTACH = struct.Struct("IIIII")  # target fd, program fd, attach type, flags, replaced fd
_QUERY = struct.Struct("IIIIQI4xQQQ")  # target fd, attach type, query flags, attach flags, ids, count, …
_BY_ID = struct.Struct("III")


def prog_load_cgroup_device(instructions: bytes) -> int:
    """BPF_PROG_LOAD: a descriptor of the program. What the verifier has against it becomes part of the OSError."""
    code = create_string_buffer(instructions, len(instructions))
    licence = create_string_buffer(b"Apache-2.0")
    count = len(instructions) // INSTRUCTION_BYTES

    def load(log: "Array[c_char] | None") -> int:
        where = (1, LOG_BYTES, addressof(log)) if log is not None else (0, 0, 0)
        attr = _LOAD.pack(
            BPF_PROG_TYPE_CGROUP_DEVICE, count, addressof(code), addressof(licence), *where, 0, 0, b"", 0, 0
        )
        return _bpf(BPF_PROG_LOAD, attr)

    try:
        return load(None)
    except OSError as error:
        log = create_string_buffer(LOG_BYTES)
        try:
            return load(log)
        except OSError:
            said = log.value.decode("ascii", "replace").strip()
            raise failure(error.errno or errno.EINVAL, (), said[-1024:]) from None


def attach_cgroup(prog_fd: int, cgroup_fd: int, replace_fd: int | None = None) -> None:
    """BPF_PROG_ATTACH, beside those of others (ALLOW_MULTI), or, since Linux 5.6, in the place of `replace_fd`."""
    flags = BPF_F_ALLOW_MULTI | (BPF_F_REPLACE if replace_fd is not None else 0)
    _bpf(BPF_PROG_ATTACH, _ATTACH.pack(cgroup_fd, prog_fd, BPF_CGROUP_DEVICE, flags, replace_fd or 0))


def detach_cgroup(prog_fd: int, cgroup_fd: int) -> None:
    """BPF_PROG_DETACH."""
    _bpf(BPF_PROG_DETACH, _ATTACH.pack(cgroup_fd, prog_fd, BPF_CGROUP_DEVICE, 0, 0))


def attached(cgroup_fd: int) -> list[int]:
    """BPF_PROG_QUERY: the ids of the device programs attached to this cgroup itself."""
    ids = create_string_buffer(4 * PROGRAMS_MAX)
    attr = create_string_buffer(
        _QUERY.pack(cgroup_fd, BPF_CGROUP_DEVICE, 0, 0, addressof(ids), PROGRAMS_MAX, 0, 0, 0), ATTR_BYTES
    )
    syscall("bpf", BPF_PROG_QUERY, attr, _QUERY.size)
    count = _QUERY.unpack_from(attr)[5]
    return list(struct.unpack_from(f"{count}I", ids))


def prog_by_id(program_id: int) -> int:
    """BPF_PROG_GET_FD_BY_ID: a descriptor of a loaded program. ENOENT when it is gone."""
    return _bpf(BPF_PROG_GET_FD_BY_ID, _BY_ID.pack(program_id, 0, 0))


def _bpf(command: int, attr: bytes) -> int:
    return syscall("bpf", command, create_string_buffer(attr, ATTR_BYTES), len(attr))
