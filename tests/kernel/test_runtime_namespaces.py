"""Is each of the eight namespaces the container's own, the host's, or another's, as the spec says?"""

import os
import shutil
from collections.abc import Iterator

import pytest

from kernel.oci_rig import Bundle, bundles
from sampan.linux.procfs import mountinfo

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox (Debian: busybox-static)"),
]
# The name in the spec, and that in /proc/PID/ns.
KINDS = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "time": "time"}
HAS_TIME = os.path.exists("/proc/self/ns/time")


@pytest.fixture
def bundle() -> Iterator[Bundle]:
    """A bundle, cleaned up."""
    with bundles() as made:
        made.spec.pop("hostname")
        yield made


def namespace_of(bundle: Bundle, file: str) -> str:
    """Which namespace a container finds itself in."""
    return bundle.shell(f"readlink /proc/self/ns/{file}")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "time" or HAS_TIME])
def test_a_namespace_is_private_or_the_hosts(bundle: Bundle, kind: str) -> None:
    file = KINDS[kind]
    here = os.readlink(f"/proc/self/ns/{file}")
    bundle.namespace(kind)
    assert namespace_of(bundle, file) != here
    bundle.namespace(kind, None)
    if kind == "network":
        # A sysfs of the host's network would be the host's devices; bind what is there.
        bundle.spec["mounts"] = [mount for mount in bundle.spec["mounts"] if mount["destination"] != "/sys"]
    assert namespace_of(bundle, file) == here


def test_mounts_are_never_the_hosts(bundle: Bundle) -> None:
    bundle.namespace("mount", None)
    bundle.spec["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
    done = bundle.run("true")
    assert (done.code, "needs a mount namespace" in done.err) == (1, True)


def test_namespaces_of_another_container_are_joined(bundle: Bundle) -> None:
    bundle.create("sleep", "1000")
    pid = bundle.state()["pid"]
    with bundles() as other:
        other.spec.pop("hostname")
        for kind in ("pid", "network", "ipc", "uts"):
            other.namespace(kind, f"/proc/{pid}/ns/{KINDS[kind]}")
        other.spec["linux"]["cgroupsPath"] = f"{other.group}/other"
        names = " ".join(f"/proc/self/ns/{KINDS[kind]}" for kind in ("pid", "network", "ipc", "uts"))
        theirs = [os.readlink(f"/proc/{pid}/ns/{KINDS[kind]}") for kind in ("pid", "network", "ipc", "uts")]
        assert other.shell(f"for n in {names}; do readlink $n; done").split() == theirs
        other.namespace("mount", f"/proc/{pid}/ns/mnt")
        other.spec["mounts"] = []
        other.spec["linux"] |= {"maskedPaths": [], "readonlyPaths": []}
        assert other.shell("readlink /proc/self/ns/mnt") == os.readlink(f"/proc/{pid}/ns/mnt")


def test_a_path_that_is_no_namespace_is_an_error(bundle: Bundle) -> None:
    for path in ("/nowhere", "/proc/self/ns/net", "/etc/passwd"):
        bundle.namespace("pid", path)
        done = bundle.run("true")
        assert done.code == 1 and "error" in done.err, path
        assert bundle.left() == []


def test_a_user_namespace_maps_root(bundle: Bundle) -> None:
    os.chown(bundle.rootfs / "tmp", 100_000, 100_000)
    bundle.in_user_namespace()
    bundle.spec["process"]["oomScoreAdj"] = 100
    said = bundle.shell(
        "id -u; cat /proc/self/uid_map; cat /proc/self/oom_score_adj; touch /tmp/mine; "
        "echo gone > /dev/null; head -c 4 /dev/zero | wc -c; ls /sys | wc -l"
    ).split()
    assert said[:5] == ["0", "0", "100000", "65536", "100"]
    assert said[5] == "4" and int(said[6]) > 3
    assert (bundle.rootfs / "tmp/mine").stat().st_uid == 100_000
    bundle.create("sleep", "1000")
    done = bundle.sampan("exec", "box", "sh", "-c", "id -u; cat /proc/self/uid_map")
    assert done.out.split() == ["0", "0", "100000", "65536"]


def test_a_joined_user_namespace_owns_the_new_ones(bundle: Bundle) -> None:
    bundle.in_user_namespace()
    bundle.create("sleep", "1000")
    pid = bundle.state()["pid"]
    with bundles() as other:
        other.spec.pop("hostname")
        other.in_user_namespace(f"/proc/{pid}/ns/user")
        other.spec["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
        said = other.shell(
            "id -u; readlink /proc/self/ns/user; cat /proc/sys/net/ipv4/ip_forward; cat /proc/1/comm; true"
        )
        assert said.split() == ["0", os.readlink(f"/proc/{pid}/ns/user"), "1", "sh"]
        other.namespace("pid", f"/proc/{pid}/ns/pid")
        other.spec["linux"]["cgroupsPath"] = f"{other.group}/other"
        assert other.shell("readlink /proc/self/ns/pid") == os.readlink(f"/proc/{pid}/ns/pid")


def test_a_new_user_namespace_joins_what_is_the_hosts(bundle: Bundle) -> None:
    bundle.create("sleep", "1000")
    pid = bundle.state()["pid"]
    with bundles() as other:
        other.spec.pop("hostname")
        other.in_user_namespace()
        other.namespace("network", f"/proc/{pid}/ns/net")
        # A sysfs takes a network namespace that root inside owns (sysfs(5)).
        other.spec["mounts"] = [m for m in other.spec["mounts"] if not m["destination"].startswith("/sys")]
        assert other.shell("readlink /proc/self/ns/net") == os.readlink(f"/proc/{pid}/ns/net")


@pytest.mark.skipif(not HAS_TIME, reason="needs time namespaces (Linux 5.6)")
def test_a_time_namespace_has_its_offsets(bundle: Bundle) -> None:
    bundle.namespace("time")
    bundle.spec["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000}}
    assert float(bundle.shell("cut -d ' ' -f 1 /proc/uptime")) > 1_000_000


def test_host_names_are_set(bundle: Bundle) -> None:
    bundle.spec |= {"hostname": "inside", "domainname": "example.net"}
    assert bundle.shell("hostname; cat /proc/sys/kernel/domainname").split() == ["inside", "example.net"]


def test_a_shared_mount_of_the_host_is_not_reached(bundle: Bundle) -> None:
    before = mountinfo()
    for word in ("", "private", "slave", "rslave", "rprivate"):
        bundle.spec["linux"]["rootfsPropagation"] = word
        assert bundle.shell("cut -d ' ' -f 5 /proc/self/mountinfo | grep -c '^/$'") == "1"
    assert mountinfo() == before


@pytest.mark.parametrize(("word", "said"), [("shared", "shared:"), ("unbindable", "unbindable"), ("private", "- ")])
def test_a_root_has_the_propagation_of_the_spec(bundle: Bundle, word: str, said: str) -> None:
    before = mountinfo()
    bundle.spec["linux"]["rootfsPropagation"] = word
    fields = bundle.shell("awk '$5 == \"/\"' /proc/self/mountinfo").split(" ", 6)[6]
    assert fields.startswith(said), fields
    assert mountinfo() == before
