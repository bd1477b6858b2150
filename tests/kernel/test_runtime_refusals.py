"""Is every spec that cannot be refused with a reason, and nothing left of it?"""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kernel.oci_rig import Bundle, bundles

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox (Debian: busybox-static)"),
]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def bundle() -> Iterator[Bundle]:
    """A bundle for all of them: a refusal leaves nothing."""
    with bundles() as made:
        yield made


def at(path: str, value: object) -> Change:
    """Set one field, its objects made on the way."""

    def change(spec: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for name in parents:
            spec = spec.setdefault(name, {})
        spec[last] = value

    return change


def mount(**fields: object) -> Change:
    """Add a mount."""
    return lambda spec: spec["mounts"].append(fields)


def namespace(**fields: object) -> Change:
    """Add a namespace."""
    return lambda spec: spec["linux"]["namespaces"].append(fields)


MAP = [{"containerID": 0, "hostID": 100_000, "size": 10}]
CASES: list[tuple[Change, str]] = [
    (at("ociVersion", "2.0.0"), "ociVersion"),
    (at("ociVersion", 1), "must be a string"),
    (at("process", None), "process property must not be empty"),
    (at("process", []), "must be an object"),
    (at("process.args", []), "args must not be empty"),
    (at("process.args", "sh"), "must be a list"),
    (at("process.args", ["sh", 1]), "must be a string"),
    (at("process.args", ["a\0b"]), "NUL"),
    (at("process.cwd", "here"), "Cwd must be an absolute path"),
    (at("process.cwd", ""), "Cwd property must not be empty"),
    (at("process.cwd", "/etc/passwd"), "not a directory"),
    (at("process.env", {"A": "b"}), "must be a list"),
    (at("process.user", {"uid": -1}), "process.user.uid"),
    (at("process.user", {"uid": 2**32}), "process.user.uid"),
    (at("process.user", {"uid": "root"}), "process.user.uid"),
    (at("process.terminal", "yes"), "true or false"),
    (at("process.rlimits", [{"type": "RLIMIT_SPEED", "soft": 1, "hard": 1}]), "RLIMIT_SPEED"),
    (at("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 1}]), "hard is missing"),
    (at("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]), "rlimit"),
    (at("process.apparmorProfile", "mine"), "AppArmor"),
    (at("process.selinuxLabel", "mine"), "SELinux"),
    (at("process.oomScoreAdj", 5000), "invalid argument"),
    (at("process.ioPriority", {"class": "IOPRIO_CLASS_FAST"}), "ioPriority"),
    (at("process.scheduler", {"policy": "SCHED_NEVER"}), "scheduler"),
    (at("root", None), "root must be specified"),
    (at("root.path", ""), "root"),
    (at("root.path", "nowhere"), "invalid rootfs: stat"),
    (at("root.path", "config.json"), "invalid rootfs"),
    (at("hostname", 5), "must be a string"),
    (at("hooks", {"prestart": [{"path": "relative"}]}), "not absolute"),
    (at("hooks", {"createRuntime": [{"path": "/nowhere"}]}), "no such file"),
    (at("linux.namespaces", [{"type": "pid"}]), "namespace"),
    (namespace(type="pid"), "duplicated ns"),
    (namespace(type="colour"), "unknown namespace type"),
    (namespace(path="/proc/self/ns/pid"), "type is missing"),
    (namespace(type="user"), "no user mapping"),
    (at("linux.uidMappings", MAP), "user namespace"),
    (at("linux.uidMappings", [{"containerID": 0}]), "missing"),
    (at("linux.timeOffsets", {"monotonic": {"secs": 1}}), "time namespace"),
    (at("linux.sysctl", {"kernel.core_pattern": "|/bin/sh"}), "not in a separate kernel namespace"),
    (at("linux.sysctl", {"net.no.such": "1"}), "no such file"),
    (at("linux.sysctl", {"kernel.shm_rmid_forced": 1}), "must be a string"),
    (at("linux.cgroupsPath", "system.slice:sampan:box"), "systemd"),
    (at("linux.cgroupsPath", "/../.."), "root of the hierarchy"),
    (at("linux.rootfsPropagation", "sideways"), "rootfsPropagation"),
    (at("linux.seccomp", {"defaultAction": "SCMP_ACT_MAYBE"}), "SCMP_ACT_MAYBE"),
    (at("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["FAST"]}), "FAST"),
    (at("linux.seccomp", {"defaultAction": "SCMP_ACT_NOTIFY"}), "SCMP_ACT_NOTIFY"),
    (at("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}), "listener"),
    (at("linux.devices", [{"path": "/dev/x", "type": "q"}]), "unknown type"),
    (at("linux.devices", [{"type": "c"}]), "path is missing"),
    (at("linux.resources", {"devices": [{"allow": True, "type": "z"}]}), "device rule"),
    (at("linux.resources", {"memory": {"limit": "1g"}}), "must be a whole number"),
    (at("linux.resources", {"cpu": {"quota": 1}}), "invalid argument"),
    (at("linux.resources", {"cpu": {"cpus": "999"}}), "cpuset.cpus"),
    (at("linux.resources", {"unified": {"../x": "1"}}), "not the name"),
    (at("linux.intelRdt", {"closID": "x"}), "Intel RDT"),
    (at("linux.mountLabel", "x"), "SELinux"),
    (at("linux.maskedPaths", "/proc"), "must be a list"),
    (at("mounts", {}), "must be a list"),
    (mount(type="tmpfs"), "destination is missing"),
    (mount(destination="/x", source="/etc"), "neither a type nor bind"),
    (mount(destination="/x", type="bind", source="/nowhere", options=["bind"]), "no such file"),
    (mount(destination="/x", type="nofs", source="nofs"), "no such device"),
    (mount(destination="/x", type="tmpfs", source="t", options=["size=huge"]), "error mounting"),
    (mount(destination="/proc/self", type="tmpfs", source="t"), "inside /proc"),
    (mount(destination="/proc/sys/kernel", type="bind", source="/tmp", options=["bind"]), "inside /proc"),
]


@pytest.mark.parametrize(("change", "reason"), CASES, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(CASES)])
def test_a_spec_that_cannot_be_is_refused(bundle: Bundle, change: Change, reason: str) -> None:
    from copy import deepcopy

    whole = deepcopy(bundle.spec)
    change(bundle.spec)
    try:
        done = bundle.run()
    finally:
        bundle.spec = whole
    assert done.code == 1
    assert reason in done.err.replace('\\"', '"')
    assert "Traceback" not in done.err
    assert bundle.left() == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "not valid JSON"), ("{", "not valid JSON"), ("[]", "must be a JSON object"),
     ('{"a": 1, "a": 2}', "duplicate"), ("[" * 5000, "deep"), ('{"ociVersion": NaN}', "NaN")],
)  # fmt: skip
def test_a_config_that_is_not_json_is_refused(bundle: Bundle, text: str, reason: str) -> None:
    (bundle.path / "config.json").write_text(text)
    done = bundle.sampan("run", "-b", str(bundle.path), "box")
    assert (done.code, reason in done.err) == (1, True)


@pytest.mark.parametrize("name", ["", "..", "a b", "/a", "a/b", "ü", "x" * 300])
def test_a_name_that_is_no_name_is_refused(bundle: Bundle, name: str) -> None:
    bundle.write()
    done = bundle.sampan("create", "-b", str(bundle.path), name)
    assert (done.code, "container" in done.err) == (1, True)
    assert bundle.left() == []


def test_words_that_are_no_command_are_refused(bundle: Bundle) -> None:
    assert bundle.sampan("frobnicate").code == 3
    wrong = bundle.sampan("state")
    assert (wrong.code, '"state\\" requires exactly 1 argument' in wrong.err) == (1, True)
    assert "flag provided but not defined: -bogus" in bundle.sampan("run", "--bogus", "x").err
    assert "systemd" in bundle.sampan("--systemd-cgroup", "list").err
    assert "JSON specification file config.json not found" in bundle.sampan("run", "-b", "/", "box").err
    assert bundle.sampan("events", "box").code == 1
