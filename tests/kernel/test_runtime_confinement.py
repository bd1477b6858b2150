"""Is a container confined as its spec says: paths, devices, limits, capabilities, seccomp?"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.oci_rig import Bundle, bundles
from sampan.linux.capability import number
from sampan.linux.cgroupfs import hierarchies
from sampan.runtime.cgroup import Cgroup
from sampan.runtime.plan import CgroupPlan

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox (Debian: busybox-static)"),
]


@pytest.fixture
def bundle() -> Iterator[Bundle]:
    """A bundle, cleaned up."""
    with bundles() as made:
        yield made


def test_masked_paths_are_empty_and_readonly_ones_cannot_be_written(bundle: Bundle) -> None:
    (bundle.rootfs / "etc/secret").write_text("word")
    (bundle.rootfs / "etc/secrets").mkdir()
    (bundle.rootfs / "etc/secrets/one").write_text("word")
    bundle.spec["linux"]["maskedPaths"] = ["/etc/secret", "/etc/secrets", "/proc/version", "/nowhere"]
    bundle.spec["linux"]["readonlyPaths"] = ["/proc/sys", "/home"]
    said = bundle.shell(
        "cat /etc/secret; ls /etc/secrets; touch /etc/secrets/two 2>/dev/null || echo kept; "
        "stat -c %t:%T /proc/version; touch /home/x 2>/dev/null || echo kept; "
        "echo 1 2>/dev/null > /proc/sys/kernel/sysrq || echo kept"
    )
    assert said.split() == ["kept", "1:3", "kept", "kept"]


def test_a_root_can_be_read_only(bundle: Bundle) -> None:
    bundle.spec["root"]["readonly"] = True
    assert bundle.shell("touch /x 2>/dev/null || echo kept; touch /dev/shm/x && echo written").split() == [
        "kept",
        "written",
    ]


def test_devices_are_the_standard_ones_and_those_of_the_spec(bundle: Bundle) -> None:
    bundle.spec["linux"]["devices"] = [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8},
        {"path": "/dev/queue", "type": "p", "fileMode": 0o600},
    ]
    said = bundle.shell("stat -c '%F %t:%T %a %u:%g' /dev/mine; stat -c %F /dev/queue; ls /dev")
    lines = said.split("\n")
    assert lines[0] == "character special file 1:3 640 7:8"
    assert lines[1] == "fifo"
    standard = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "fd", "stdin"}
    assert standard <= set(lines[2:]) and not {"sda", "vda", "mem", "kmsg"} & set(lines[2:])


def test_devices_that_no_rule_allows_are_closed(bundle: Bundle) -> None:
    bundle.spec["linux"]["devices"] = [{"path": "/dev/messages", "type": "c", "major": 1, "minor": 11}]
    look = "head -c 1 /dev/messages >/dev/null 2>&1 && echo open || echo closed"
    assert bundle.shell(look) == "closed"
    bundle.spec["linux"]["resources"]["devices"].append(
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
    )
    bundle.spec["process"]["capabilities"]["bounding"] = ["CAP_SYSLOG"]
    for name in ("effective", "permitted"):
        bundle.spec["process"]["capabilities"][name] = ["CAP_SYSLOG"]
    assert bundle.shell(look) == "open"


def test_sysctls_are_set_inside_only(bundle: Bundle) -> None:
    here = Path("/proc/sys/kernel/msgmax").read_text()
    bundle.spec["linux"]["sysctl"] = {"kernel.msgmax": "12345", "net.ipv4.ip_forward": "1"}
    assert bundle.shell("cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward").split() == ["12345", "1"]
    assert Path("/proc/sys/kernel/msgmax").read_text() == here


def test_limits_are_set(bundle: Bundle) -> None:
    bundle.spec["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
    assert bundle.shell("ulimit -Sn; ulimit -Hn; ulimit -c").split() == ["100", "200", "0"]


def test_a_limit_that_may_not_be_raised_says_so(bundle: Bundle) -> None:
    bundle.in_user_namespace()  # root in there has no CAP_SYS_RESOURCE over limits
    bundle.spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1 << 29, "hard": 1 << 29}]
    done = bundle.run("true")
    assert done.code == 1
    assert "CAP_SYS_RESOURCE" in done.err or "not permitted" in done.err
    assert bundle.left() == []


def test_capabilities_are_those_of_the_spec(bundle: Bundle) -> None:
    kept = ["CAP_CHOWN", "CAP_NET_RAW"]
    bundle.spec["process"]["capabilities"] = {
        "bounding": [*kept, "CAP_KILL"], "effective": kept, "permitted": kept, "inheritable": kept,
        "ambient": ["CAP_CHOWN"],
    }  # fmt: skip
    masks = dict(line.split() for line in bundle.shell("grep ^Cap /proc/self/status").splitlines())
    of = {name: 1 << number(name) for name in ("CAP_CHOWN", "CAP_NET_RAW", "CAP_KILL")}
    both = of["CAP_CHOWN"] | of["CAP_NET_RAW"]
    assert int(masks["CapBnd:"], 16) == both | of["CAP_KILL"]
    assert int(masks["CapAmb:"], 16) == of["CAP_CHOWN"]
    assert int(masks["CapInh:"], 16) == both


def test_a16_no_capability_is_inheritable_or_ambient_by_default(bundle: Bundle) -> None:
    bundle.spec["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [1000, 7]}
    lines = bundle.shell("grep -e CapInh -e CapAmb -e CapEff /proc/self/status; id -G").splitlines()
    assert [int(line.split()[1], 16) for line in lines[:3]] == [0, 0, 0]
    assert set(lines[3].split()) == {"1000", "7"}


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_a_seccomp_profile_is_in_force(bundle: Bundle, no_new_privileges: bool) -> None:
    bundle.spec["process"]["noNewPrivileges"] = no_new_privileges
    bundle.spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}],
    }
    said = bundle.shell("mkdir /tmp/x 2>&1; grep -e NoNewPrivs: -e Seccomp: /proc/self/status")
    assert "No space left on device" in said
    assert f"NoNewPrivs:\t{int(no_new_privileges)}" in said and "Seccomp:\t2" in said
    bundle.create("sleep", "1000")
    assert "No space left" in bundle.sampan("exec", "box", "mkdir", "/tmp/x").err


def test_a_seccomp_profile_may_be_older_than_what_the_runtime_calls(bundle: Bundle) -> None:
    """Without no_new_privs the filter is there before the program is looked up and the descriptors are closed."""
    bundle.spec["process"]["noNewPrivileges"] = False
    bundle.spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["faccessat2", "close_range", "openat2"], "action": "SCMP_ACT_ERRNO"}],
    }
    assert bundle.shell("echo well") == "well"
    bundle.create("sleep", "1000")
    assert bundle.sampan("exec", "box", "echo", "well").out == "well\n"


def test_a_capability_that_nobody_knows_is_left_out_with_a_warning(bundle: Bundle) -> None:
    sets = bundle.spec["process"]["capabilities"]
    bundle.spec["process"]["capabilities"] = {name: [*names, "CAP_OF_TOMORROW"] for name, names in sets.items()}
    said = bundle.run("echo", "well")
    assert said.out == "well\n"
    assert "ignoring unknown or unavailable capabilities: [CAP_OF_TOMORROW]" in said.err


def test_a_working_directory_is_made(bundle: Bundle) -> None:
    bundle.spec["process"]["cwd"] = "/home/new/one"
    assert bundle.shell("pwd") == "/home/new/one"


def test_a01_the_interpreter_is_out_of_reach(bundle: Bundle) -> None:
    done = bundle.run("/proc/self/exe")
    interpreter = os.path.realpath("/proc/self/exe")
    before = Path(interpreter).read_bytes()
    assert done.code != 0 or "Python" not in done.out
    bundle.create("sleep", "1000")
    pid = bundle.state()["pid"]
    assert os.readlink(f"/proc/{pid}/exe").startswith("/memfd:")
    for attempt in ("echo x > /proc/1/exe", "readlink /proc/1/exe", "readlink /proc/1/fd/0", "cat /proc/1/environ"):
        assert bundle.sampan("exec", "box", "sh", "-c", attempt).code != 0, attempt
    assert Path(interpreter).read_bytes() == before


def test_a03_no_descriptor_leads_out(bundle: Bundle) -> None:
    for fd in range(3, 20):
        bundle.spec["process"]["cwd"] = f"/proc/self/fd/{fd}"
        done = bundle.run("pwd")
        assert done.code != 0, done.out
    assert bundle.left() == []


@pytest.mark.parametrize("place", ["/proc", "/sys", "/dev"])
def test_a06_a10_links_of_the_image_lead_nowhere(bundle: Bundle, tmp_path: Path, place: str) -> None:
    (bundle.rootfs / place[1:]).rmdir()
    (bundle.rootfs / place[1:]).symlink_to(tmp_path)
    done = bundle.run("true")
    assert done.code == 1 and "ordinary directory" in done.err
    assert list(tmp_path.iterdir()) == []


def test_mounts_have_their_options(bundle: Bundle, tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("word")
    bundle.spec["mounts"] += [
        {"destination": "/data", "type": "bind", "source": str(tmp_path), "options": ["rbind", "ro", "nosuid"]},
        {"destination": "/small", "type": "tmpfs", "source": "tmpfs", "options": ["noexec", "size=1m", "mode=700"]},
    ]
    said = bundle.shell(
        "cat /data/file; touch /data/x 2>/dev/null || echo ' kept'; grep -e ' /data ' -e ' /small ' /proc/mounts"
    )
    assert said.startswith("word kept")
    assert "ro,nosuid" in said and "size=1024k" in said and "noexec" in said


def test_a_root_that_is_not_pivoted_reveals_no_whole_proc(bundle: Bundle) -> None:
    """The host's would lie below the new root, and let a user namespace in the container mount one without masks."""
    script = "mount -t proc none /proc && echo revealed"
    done = bundle.run("unshare", "-mrpf", "sh", "-c", script, flags=("--no-pivot",))
    assert (done.out.strip(), done.code != 0) == ("", True), done
    assert bundle.run("cat", "/proc/1/comm", flags=("--no-pivot",)).out == "cat\n"


def test_a_read_only_dev_has_its_nodes(bundle: Bundle) -> None:
    dev = next(mount for mount in bundle.spec["mounts"] if mount["destination"] == "/dev")
    dev["options"].append("ro")
    said = bundle.shell("grep '^tmpfs /dev ' /proc/mounts; [ -c /dev/null ] && mount | grep -c /dev/pts")
    assert re.search(r"^tmpfs /dev tmpfs ro,.*\n1$", said)
    assert bundle.run("touch", "/dev/x").code != 0


def test_a_subgroup_is_below_the_container(bundle: Bundle) -> None:
    """`exec --cgroup` joins what is there, for all or for some controllers, and never leads out (A30)."""
    bundle.create("sleep", "1000")
    bundle.sampan("start", "box")
    memory = Cgroup(hierarchies(), bundle.spec["linux"]["cgroupsPath"]).unified_or_first()
    (Path(memory) / "sub").mkdir()
    try:
        climbing = bundle.sampan("exec", "--cgroup", "..", "box", "true")
        assert "bad sub cgroup path: .. is not a sub cgroup path" in climbing.err
        assert "adding pid to cgroup" in bundle.sampan("exec", "--cgroup", "nonexistent", "box", "true").err
        assert "unknown controller whaaat" in bundle.sampan("exec", "--cgroup", "whaaat:/", "box", "true").err
        if "/memory/" in memory:
            where = ("--cgroup", "memory:sub", "--cgroup", "cpu:/")
            said = bundle.sampan("exec", *where, "box", "cat", "/proc/self/cgroup")
            below = {line.split(":")[1]: line.split(":")[2].endswith("/sub") for line in said.out.split()}
            assert [name for name, is_below in below.items() if is_below] == ["memory"]
    finally:
        bundle.sampan("delete", "--force", "box")


def test_a_frozen_cgroup_is_refused(bundle: Bundle) -> None:
    """Whoever joins one waits for ever."""
    cgroup = Cgroup(hierarchies(), bundle.spec["linux"]["cgroupsPath"])
    cgroup.create(CgroupPlan(path=cgroup.path))
    cgroup.freeze()
    try:
        done = bundle.run("true")
        assert done.code == 1
        assert re.search("level=error msg=.*container's cgroup unexpectedly frozen\"\n$", done.err), done
    finally:
        cgroup.thaw()
        cgroup.remove()
    assert bundle.run("true").code == 0
