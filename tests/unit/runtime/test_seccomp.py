"""Does a container that asks for nothing get what Docker gives?"""

import pytest

from bpf_emulator import ALLOW, AUDIT_ARCH, Machine, errno_answer
from sampan.linux.syscalls.numbers import numbers
from sampan.runtime.seccomp import compile_profile, default_filter, default_profile, resolve
from seccomp_model import DOCKERS

X86 = AUDIT_ARCH["x86_64"]
# x86-64 calls that need a capability which Docker's containers lack, and the capability.
GATED = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": (
        "bpf clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules "
        "lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname "
        "sethostname setns syslog umount2 unshare"
    ),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime settimeofday",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYSLOG": "syslog",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
}
NEVER = """
    _sysctl add_key afs_syscall create_module get_kernel_syms getpmsg io_uring_enter io_uring_register io_uring_setup
    kexec_file_load kexec_load keyctl migrate_pages move_pages nfsservctl pivot_root putpmsg query_module request_key
    security swapoff swapon sysfs tuxcall uprobe uselib userfaultfd ustat vserver
"""


def filtered(capabilities: frozenset[str] = DOCKERS) -> Machine:
    return Machine(default_filter(capabilities, "x86_64", (6, 1)))


def test_the_profile_is_as_large_as_dockers() -> None:
    rules = default_profile()["syscalls"]
    plain = [rule for rule in rules if not {"args", "includes", "excludes"} & rule.keys()]
    assert len({name for rule in rules for name in rule["names"]}) == 426
    assert sum(len(rule["names"]) for rule in plain) == 361


def test_every_name_of_the_profile_is_a_system_call_somewhere() -> None:
    known = set().union(*(numbers(abi) for abi in ("x86_64", "x32", "i386", "aarch64", "arm")))
    unknown = {name for rule in default_profile()["syscalls"] for name in rule["names"]} - known
    # Calls of architectures without a table here, and names under which libseccomp knows parts of socketcall(2).
    assert unknown <= {
        "getsid", "recv", "send", "riscv_flush_icache", "riscv_hwprobe", "s390_pci_mmio_read", "s390_pci_mmio_write",
        "s390_runtime_instr", "swapcontext",
    }  # fmt: skip


@pytest.mark.parametrize("name", NEVER.split())
def test_refused_whatever_the_capabilities(name: str) -> None:
    every = DOCKERS | frozenset(GATED)
    assert filtered(every).run(X86, numbers("x86_64")[name]) == errno_answer(1)


@pytest.mark.parametrize(("capability", "names"), GATED.items())
def test_allowed_with_its_capability_only(capability: str, names: str) -> None:
    for name in names.split():
        number = numbers("x86_64")[name]
        assert filtered().run(X86, number) == errno_answer(38 if name == "clone3" else 1), name
        assert filtered(DOCKERS | {capability}).run(X86, number) == ALLOW, name


def test_all_other_calls_are_allowed() -> None:
    tested = {
        *NEVER.split(),
        *" ".join(GATED.values()).split(),
        "open_tree_attr",
        "file_getattr",
        "file_setattr",
        "listns",
    }
    for name, number in numbers("x86_64").items():
        if name not in tested:
            assert filtered().run(X86, number) == ALLOW, name


def test_a_namespace_is_not_made_by_clone() -> None:
    clone = numbers("x86_64")["clone"]
    namespaces = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]
    for flag in namespaces:
        assert filtered().run(X86, clone, [flag | 17]) == errno_answer(1), hex(flag)
        assert filtered().run(X86, clone, [flag | 17 | 2**40]) == errno_answer(1), hex(flag)
        assert filtered(DOCKERS | {"CAP_SYS_ADMIN"}).run(X86, clone, [flag | 17]) == ALLOW
    assert filtered().run(X86, clone, [17]) == filtered().run(X86, clone, [0x3D0F00]) == ALLOW


def test_address_families_are_those_in_use() -> None:
    socket = numbers("x86_64")["socket"]
    allowed = {family for family in range(64) if filtered().run(X86, socket, [family]) == ALLOW}
    assert {1, 2, 10, 16, 17} <= allowed  # UNIX, INET, INET6, NETLINK, PACKET
    assert not {38, 40} & allowed  # ALG, VSOCK
    assert allowed == {*range(12), 13, 14, 15, 16, 17, 18, 21, 22, 24, *range(26, 34), 35, 36, 39, *range(41, 46)}


def test_a_family_is_not_hidden_behind_the_half_of_the_register_that_the_kernel_ignores() -> None:
    for family in (38, 40):
        for high in (1, 0x80000000, 0xFFFFFFFF):
            assert filtered().run(X86, numbers("x86_64")["socket"], [family | high << 32]) == errno_answer(1)


def test_personalities_are_those_that_change_little() -> None:
    personality = numbers("x86_64")["personality"]
    for persona in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert filtered().run(X86, personality, [persona]) == ALLOW
    for persona in (1, 0x0040000, 0x0400000, 0x20009, 0xFFFFFFFF | 1 << 32):
        assert filtered().run(X86, personality, [persona]) == errno_answer(1), hex(persona)


def test_ptrace_waits_for_a_kernel_that_shows_its_changes_to_the_filter() -> None:
    old = Machine(compile_profile(default_profile(), capabilities=DOCKERS, architecture="x86_64", kernel=(4, 7)))
    assert old.run(X86, 101) == errno_answer(1)
    assert filtered().run(X86, 101) == ALLOW


def test_what_inspect_shows_compiles_to_the_same_filter() -> None:
    resolved = resolve(default_profile(), DOCKERS, "x86_64", (6, 1))
    again = compile_profile(resolved, capabilities=frozenset(), architecture="x86_64", kernel=(0, 0))
    assert again == default_filter(DOCKERS, "x86_64", (6, 1))


def test_machines_may_be_named_as_images_name_them() -> None:
    assert default_filter(DOCKERS, "amd64", (6, 1)) == default_filter(DOCKERS, "x86_64", (6, 1))
    assert default_filter(DOCKERS, "arm64", (6, 1)) == default_filter(DOCKERS, "aarch64", (6, 1))


def test_a_changed_copy_of_the_profile_does_not_change_the_next() -> None:
    default_profile()["syscalls"].clear()
    assert default_profile()["syscalls"]
