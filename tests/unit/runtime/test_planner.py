"""Does a spec become the right plan, and is a contradictory one refused before anything is done?"""

import json
from typing import Any

import pytest

from sampan.errors import InvalidRequest, NotSupported, SampanError
from sampan.linux.cgroupfs import Hierarchy
from sampan.linux.sched import CloneFlag
from sampan.runtime.plan import ContainerPlan, container_from_json, to_json
from sampan.runtime.planner import Machine, plan_container

V1 = tuple(
    Hierarchy(f"/sys/fs/cgroup/{name}", frozenset({name}), 1, "/")
    for name in ("cpu", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
)
V2 = (Hierarchy("/sys/fs/cgroup", frozenset({"cpu", "cpuset", "memory", "io", "pids"}), 2, "/"),)


def spec(**changes: Any) -> dict[str, Any]:
    """A small spec; keyword arguments are merged into `linux`."""
    namespaces = [{"type": name} for name in ("mount", "pid", "network", "ipc", "uts")]
    return {
        "root": {"path": "rootfs"},
        "process": {"args": ["sh"], "cwd": "/"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": namespaces, **changes},
    }


def plan(description: dict[str, Any], *, hierarchies: tuple[Hierarchy, ...] = V1) -> ContainerPlan:
    """The plan on a machine with these hierarchies."""
    machine = Machine(hierarchies=hierarchies, has_time_namespaces=True)
    return plan_container("box", description, machine=machine, bundle="/bundle")


def test_a_plan_survives_its_journey_as_json() -> None:
    planned = plan(
        {
            **spec(resources={"memory": {"limit": 1 << 20}, "devices": [{"allow": False}]}, sysctl={"net.a": "1"}),
            "hooks": {"prestart": [{"path": "/bin/hook", "args": ["hook", "x"], "env": ["A=b"]}]},
            "process": {"args": ["sh"], "cwd": "/", "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 3}},
        }
    )
    assert container_from_json(json.loads(json.dumps(to_json(planned)))) == planned


def test_namespaces_are_made_or_joined() -> None:
    description = spec(namespaces=[{"type": "mount"}, {"type": "network", "path": "/proc/7/ns/net"}, {"type": "user"}])
    description["linux"] |= {
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
        "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
    }
    planned = plan(description)
    assert planned.new_namespaces == CloneFlag.NEWNS | CloneFlag.NEWUSER
    assert planned.joined == ((int(CloneFlag.NEWNET), "/proc/7/ns/net"),)
    assert planned.uid_maps == ((0, 1000, 10),)


def values(planned: ContainerPlan) -> dict[str, str]:
    """File → value of the plan's cgroup writes."""
    return {write.file: write.value for write in planned.cgroup.writes}


RESOURCES = {
    "memory": {"limit": 512 << 20, "swap": 1 << 30, "reservation": 256 << 20},
    "cpu": {"shares": 1024, "quota": 50_000, "period": 100_000, "cpus": "0-1"},
    "pids": {"limit": 64},
}


def test_limits_in_version_1() -> None:
    assert values(plan(spec(resources=RESOURCES))) == {
        "memory.limit_in_bytes": str(512 << 20),
        "memory.memsw.limit_in_bytes": str(1 << 30),
        "memory.soft_limit_in_bytes": str(256 << 20),
        "cpu.shares": "1024",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "cpuset.cpus": "0-1",
        "pids.max": "64",
    }


def test_limits_in_version_2() -> None:
    assert values(plan(spec(resources=RESOURCES), hierarchies=V2)) == {
        "memory.max": str(512 << 20),
        "memory.swap.max": str(512 << 20),  # v2 counts swap alone
        "memory.low": str(256 << 20),
        "cpu.weight": "39",
        "cpu.max": "50000 100000",
        "cpuset.cpus": "0-1",
        "pids.max": "64",
    }


def test_a_limit_without_its_controller_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no pids cgroup controller"):
        plan(spec(resources={"pids": {"limit": 5}}), hierarchies=V1[:3])


@pytest.mark.parametrize("path", ["/a/../../b", "../../x", "/sampan/../../../etc"])
def test_a_cgroup_path_cannot_climb_out(path: str) -> None:
    """A30"""
    assert ".." not in plan(spec(cgroupsPath=path)).cgroup.path


@pytest.mark.parametrize("hostname", ["box"])
def test_a_hostname_needs_a_uts_namespace(hostname: str) -> None:
    with pytest.raises(InvalidRequest, match="UTS namespace"):
        plan({**spec(namespaces=[{"type": "mount"}]), "hostname": hostname})


BAD: list[tuple[dict[str, Any], type[SampanError]]] = [
    ({**spec(), "process": {"args": [], "cwd": "/"}}, InvalidRequest),
    ({**spec(), "process": {"args": ["a\0b"], "cwd": "/"}}, InvalidRequest),
    ({**spec(), "process": {"args": ["a"], "cwd": "relative"}}, InvalidRequest),
    ({**spec(), "process": {"args": ["a"], "cwd": "/", "rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}},
     InvalidRequest),
    ({**spec(), "process": {"args": ["a"], "cwd": "/", "user": {"uid": 2**32 - 1}}}, InvalidRequest),
    ({**spec(), "process": {"args": ["a"], "cwd": "/", "user": {"uid": -1}}}, InvalidRequest),
    (spec(namespaces=[{"type": "mount"}, {"type": "mount"}]), InvalidRequest),
    (spec(namespaces=[{"type": "astral"}]), InvalidRequest),
    (spec(namespaces=[{"type": "user"}, {"type": "mount"}]), InvalidRequest),
    (spec(cgroupsPath="system.slice:docker:x"), NotSupported),
    (spec(cgroupsPath="/"), InvalidRequest),
    (spec(rootfsPropagation="sideways"), InvalidRequest),
    (spec(devices=[{"path": "/dev/x", "type": "q"}]), InvalidRequest),
    (spec(sysctl={"kernel.core_pattern": "|/evil"}), InvalidRequest),
    (spec(sysctl={"vm.overcommit_memory": "1"}), InvalidRequest),
    (spec(timeOffsets={"monotonic": {"secs": 1}}), InvalidRequest),
    ({**spec(), "mounts": [{"source": "/a"}]}, InvalidRequest),
    ({**spec(), "hooks": {"poststop": [{"path": "relative"}]}}, InvalidRequest),
]  # fmt: skip


@pytest.mark.parametrize(("description", "kind"), BAD)
def test_bad_specs_are_refused_with_a_reason(description: dict[str, Any], kind: type[SampanError]) -> None:
    with pytest.raises(kind) as caught:
        plan(description)
    assert len(str(caught.value)) > 10


@pytest.mark.parametrize("name", ["net.ipv4.ip_forward", "kernel.msgmax", "fs.mqueue.msg_max"])
def test_namespaced_sysctls_are_refused_in_the_hosts_namespaces(name: str) -> None:
    """A15"""
    plan(spec(sysctl={name: "1"}))
    with pytest.raises(InvalidRequest):
        plan(spec(namespaces=[{"type": "mount"}], sysctl={name: "1"}))
