"""Are the numbers, sizes, offsets and constants of linux/ those of the kernel's headers? A C program says.

All modules are checked here at once, because one program compiled once can print everything. What the installed
headers do not know yet is left out by the preprocessor.
"""

import ctypes
import platform
import re
import shutil
import subprocess
import sys
from enum import IntEnum, IntFlag
from pathlib import Path

import pytest

from sampan.linux import (
    bpf,
    capability,
    close_range,
    fsmount,
    inotify,
    ioprio,
    keyctl,
    landlock,
    memfd,
    mount,
    netdevice,
    openat2,
    personality,
    prctl,
    pty,
    rlimit,
    sched,
    socket,
    statfs,
)
from sampan.linux.call import ARCHITECTURES, PROTOTYPES, SYSCALLS, call, failure, libc, number, syscall

HEADERS = """
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <asm/ioctls.h>
#include <asm/resource.h>
#include <signal.h>
#include <asm/statfs.h>
#include <asm/termios.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/if.h>
#include <linux/inotify.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/personality.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8
struct rlimit64_of_the_kernel { uint64_t rlim_cur, rlim_max; };
"""

STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "struct clone_args": sched.CloneArgs,
    "struct open_how": openat2.OpenHow,
    "struct mount_attr": fsmount.MountAttrArgs,
    "struct __user_cap_header_struct": capability.CapHeader,
    "struct __user_cap_data_struct": capability.CapData,
    "struct rlimit64_of_the_kernel": rlimit.RLimit64,
    "struct landlock_path_beneath_attr": landlock.PathBeneathAttr,
}

# Where the members of union bpf_attr are, by what struct.Struct would put before them.
BPF_MEMBERS = {
    "insns": 8,
    "license": 16,
    "log_level": 24,
    "log_buf": 32,
    "kern_version": 40,
    "prog_name": 48,
    "prog_ifindex": 64,
    "expected_attach_type": 68,
    "attach_bpf_fd": 4,
    "attach_flags": 12,
    "replace_bpf_fd": 16,
    "query.attach_flags": 12,
    "query.prog_ids": 16,
    "query.prog_cnt": 24,
}

# Constants that are members of an enum in the headers, so that #ifdef cannot ask for them.
ENUMERATED = {
    "FSCONFIG_SET_FLAG": fsmount.FsConfig.SET_FLAG,
    "FSCONFIG_SET_STRING": fsmount.FsConfig.SET_STRING,
    "FSCONFIG_SET_BINARY": fsmount.FsConfig.SET_BINARY,
    "FSCONFIG_SET_PATH": fsmount.FsConfig.SET_PATH,
    "FSCONFIG_SET_PATH_EMPTY": fsmount.FsConfig.SET_PATH_EMPTY,
    "FSCONFIG_SET_FD": fsmount.FsConfig.SET_FD,
    "FSCONFIG_CMD_CREATE": fsmount.FsConfig.CMD_CREATE,
    "FSCONFIG_CMD_RECONFIGURE": fsmount.FsConfig.CMD_RECONFIGURE,
    "BPF_PROG_LOAD": bpf.BPF_PROG_LOAD,
    "BPF_PROG_ATTACH": bpf.BPF_PROG_ATTACH,
    "BPF_PROG_DETACH": bpf.BPF_PROG_DETACH,
    "BPF_PROG_GET_FD_BY_ID": bpf.BPF_PROG_GET_FD_BY_ID,
    "BPF_PROG_QUERY": bpf.BPF_PROG_QUERY,
    "BPF_PROG_TYPE_CGROUP_DEVICE": bpf.BPF_PROG_TYPE_CGROUP_DEVICE,
    "BPF_CGROUP_DEVICE": bpf.BPF_CGROUP_DEVICE,
    "PER_LINUX": personality.PER_LINUX,
    "PER_LINUX32": personality.PER_LINUX32,
    "ADDR_NO_RANDOMIZE": personality.ADDR_NO_RANDOMIZE,
    "IOPRIO_CLASS_RT": ioprio.CLASSES["IOPRIO_CLASS_RT"],
    "IOPRIO_CLASS_BE": ioprio.CLASSES["IOPRIO_CLASS_BE"],
    "IOPRIO_CLASS_IDLE": ioprio.CLASSES["IOPRIO_CLASS_IDLE"],
    "IOPRIO_WHO_PROCESS": ioprio.IOPRIO_WHO_PROCESS,
    "IOPRIO_CLASS_SHIFT": ioprio.IOPRIO_CLASS_SHIFT,
}


def members(prefix: str, flags: type[IntFlag] | type[IntEnum]) -> dict[str, int]:
    """The members of an enumeration under the names they have in C."""
    return {prefix + name: int(value) for name, value in flags.__members__.items()}


def macros() -> dict[str, int]:
    """Every constant that the headers define as a macro."""
    umount = members("MNT_", mount.UmountFlag)
    umount["UMOUNT_NOFOLLOW"] = umount.pop("MNT_NOFOLLOW")
    tree = {name if name.startswith("AT_") else f"OPEN_TREE_{name}": int(value)
            for name, value in fsmount.OpenTree.__members__.items()}  # fmt: skip
    attributes = members("MOUNT_ATTR_", fsmount.MountAttr)
    attributes["MOUNT_ATTR__ATIME"] = attributes.pop("MOUNT_ATTR_ATIME")
    found = {name: value for module in (prctl, keyctl, pty, statfs, netdevice) for name, value in vars(module).items()
             if name.isupper() and not name.startswith("_")}  # fmt: skip
    return {
        **members("MS_", mount.MountFlag),
        **umount,
        **tree,
        **attributes,
        **members("MOVE_MOUNT_", fsmount.MoveMount),
        **members("RESOLVE_", openat2.Resolve),
        **members("CLONE_", sched.CloneFlag),
        **members("CLOSE_RANGE_", close_range.CloseRange),
        **members("IN_", inotify.Mask),
        **members("LANDLOCK_ACCESS_FS_", landlock.Access),
        **members("LANDLOCK_ACCESS_NET_", landlock.Net),
        **members("LANDLOCK_SCOPE_", landlock.Scope),
        **found,
        **{name: bit for bit, name in enumerate(capability.CAPABILITIES)},
        **rlimit.RLIMITS,
        "AT_FDCWD": fsmount.AT_FDCWD,
        "FSOPEN_CLOEXEC": fsmount.FSOPEN_CLOEXEC,
        "FSMOUNT_CLOEXEC": fsmount.FSMOUNT_CLOEXEC,
        "FSPICK_CLOEXEC": fsmount.FSPICK_CLOEXEC,
        "CAP_LAST_CAP": len(capability.CAPABILITIES) - 1,
        "_LINUX_CAPABILITY_VERSION_3": capability.VERSION_3,
        "BPF_F_ALLOW_MULTI": bpf.BPF_F_ALLOW_MULTI,
        "BPF_F_REPLACE": bpf.BPF_F_REPLACE,
        "MFD_EXEC": memfd.MFD_EXEC,
        "SIGCHLD": 17,
        **{f"SYS_{name}": number(name) for name in SYSCALLS},
    }


def sizes() -> dict[str, int]:
    """The sizes and offsets of every structure, as C expressions."""
    found = {
        "offsetof(struct statfs, f_type)": 0,
        "sizeof(((struct statfs *)0)->f_type)": ctypes.sizeof(ctypes.c_long),
        "sizeof(struct ifreq)": netdevice._IFREQ.size,
        "offsetof(struct ifreq, ifr_flags)": netdevice.IFNAMSIZ,
        "sizeof(struct ucred)": socket._UCRED.size,
        "sizeof(struct inotify_event)": inotify._EVENT.size,
        "sizeof(struct winsize)": pty._WINSIZE.size,
    }
    for name, structure in STRUCTURES.items():
        found[f"sizeof({name})"] = ctypes.sizeof(structure)
        for field in structure._fields_:
            found[f"offsetof({name}, {field[0]})"] = getattr(structure, field[0]).offset
    return found | {f"offsetof(union bpf_attr, {member})": offset for member, offset in BPF_MEMBERS.items()}


def program() -> str:
    """C that prints what it knows, one `name value` a line."""
    lines = [f"#ifdef {name}\nP({name})\n#endif" for name in macros()]
    lines += [f"P({expression})" for expression in (*ENUMERATED, *sizes())]
    body = "\n".join(lines)
    return f'{HEADERS}\n#define P(x) printf("%s %lld\\n", #x, (long long)(x));\nint main(void) {{\n{body}\n}}\n'


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the C program printed."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (cc) to compare with the kernel's headers")
    directory: Path = tmp_path_factory.mktemp("c")
    (directory / "constants.c").write_text(program())
    built = subprocess.run(
        [compiler, "-w", "-o", "constants", "constants.c"], cwd=directory, capture_output=True, text=True, check=False
    )
    if built.returncode:
        missing = re.search(r"fatal error: (\S+): No such file", built.stderr)
        if missing:
            pytest.skip(f"needs the kernel's header {missing[1]}")
        raise AssertionError(built.stderr)
    printed = subprocess.run([directory / "constants"], capture_output=True, text=True, check=True).stdout
    # "%s" of a macro's name is the name itself; of a system call's, too.
    pairs = (line.rpartition(" ") for line in printed.splitlines())
    return {name: int(value) for name, _, value in pairs}


def test_constants_are_those_of_the_headers(in_c: dict[str, int]) -> None:
    ours = macros() | {name: int(value) for name, value in ENUMERATED.items()}
    differing = {name: (value, in_c[name]) for name, value in ours.items()
                 if name in in_c and in_c[name] & 0xFFFFFFFFFFFFFFFF != value & 0xFFFFFFFFFFFFFFFF}  # fmt: skip
    assert not differing, f"(ours, C's): {differing}"


def test_nearly_all_constants_are_in_the_headers(in_c: dict[str, int]) -> None:
    unknown = {name for name in macros() if name not in in_c}
    # Either newer than the headers may be, or in no header at all.
    new = {"MFD_EXEC", "MOVE_MOUNT_BENEATH", "MOVE_MOUNT_SET_GROUP", "CAP_CHECKPOINT_RESTORE"}
    new |= {"LANDLOCK_ACCESS_FS_TRUNCATE", "LANDLOCK_ACCESS_FS_IOCTL_DEV"}
    assert {name for name in unknown if not name.startswith(("LANDLOCK_ACCESS_NET_", "LANDLOCK_SCOPE_"))} <= new


def test_structures_are_those_of_the_headers(in_c: dict[str, int]) -> None:
    differing = {what: (value, in_c.get(what)) for what, value in sizes().items() if in_c.get(what) != value}
    # struct clone_args and struct open_how grow: ours may be a shorter, earlier version, never a longer one.
    assert not differing, f"(ours, C's): {differing}"


def test_the_arm64_numbers_are_those_of_the_generic_table() -> None:
    table = Path("/usr/include/asm-generic/unistd.h")
    if not table.exists():
        pytest.skip("needs the kernel's header asm-generic/unistd.h")
    generic = {name: int(value) for name, value in re.findall(r"#define __NR_(\w+) (\d+)", table.read_text())}
    column = ARCHITECTURES.index("aarch64")
    assert {name: row[column] for name, row in SYSCALLS.items()} == {name: generic[name] for name in SYSCALLS}


def test_every_function_of_the_c_library_exists() -> None:
    assert [name for name in PROTOTYPES if not hasattr(libc, name)] == []


def test_a_failure_carries_errno_text_and_both_paths() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        call("mount", b"/nowhere/a", b"/nowhere/b", None, 4096, None, paths=("/nowhere/a", "/nowhere/b"))
    assert (caught.value.filename, caught.value.filename2) == ("/nowhere/a", "/nowhere/b")
    assert str(caught.value) == "[Errno 2] No such file or directory: '/nowhere/a' -> '/nowhere/b'"


def test_a_detail_follows_the_reason() -> None:
    error = failure(22, ("lowerdir",), "overlay: too many")
    assert str(error) == "[Errno 22] Invalid argument: overlay: too many: 'lowerdir'"


def test_a_signal_does_not_make_a_call_fail() -> None:
    # A failing call that is interrupted is repeated; here only its errno matters: EBADF, straight from the kernel.
    with pytest.raises(OSError, match="Bad file descriptor"):
        syscall("pidfd_send_signal", -1, 0, None, 0)


# What only the daemon imports: networks are made by it, not by what it forks.
NOT_ZYGOTES = {"__init__", "netqueue", "nft_expressions", "nft_rewrite", "nftables"}


def test_the_package_is_light_and_leaves_nothing_to_do_at_a_fork() -> None:
    # As the zygote imports it. clone3 runs no at-fork hooks, so nothing may be loaded here that registers one.
    modules = sorted(path.stem for path in Path(bpf.__file__).parent.glob("*.py") if path.stem not in NOT_ZYGOTES)
    source = Path(bpf.__file__).parents[2]
    code = f"import sys; sys.path.insert(0, {str(source)!r})\n"
    code += "".join(f"import sampan.linux.{name}\n" for name in modules) + "print(*sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout
    heavy = {"asyncio", "dataclasses", "inspect", "logging", "random", "subprocess", "tempfile", "threading"}
    assert set(printed.split()) & heavy == set()


def test_this_machine_has_numbers() -> None:
    assert platform.machine() in ARCHITECTURES
    assert number("openat2") == 437
