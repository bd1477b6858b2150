"""Which OCI runtime spec does each way to run a container become?

One file for each in `specs/`; `--update-golden` rewrites them. `default` was compared, field by field, with the
config.json that a real dockerd 20.10 gave to runc for the same request; it differs where newer dockerds do: a time
namespace, and three more masked paths.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sampan.containers import defaults, mounts, security, spec, verify
from sampan.containers.devices import Device
from sampan.containers.host import LIMITS, SYSCTLS, Host, Options
from sampan.containers.model import Container
from sampan.containers.spec import Lookups
from sampan.linux.capability import CAPABILITIES
from sampan.networks import mode
from sampan.wire.containers import decode_create

HOST = Host(
    cpu_count=8,
    cpus="0-7",
    memory_nodes="0-1",
    cgroups="hybrid",
    limits=frozenset(LIMITS),
    capabilities=frozenset(CAPABILITIES),
    hostname="machine",
    thermal_paths=("/sys/devices/system/cpu/cpu0/thermal_throttle",),
    sysctls=frozenset(SYSCTLS),
)
OPTIONS = Options(directory=Path("/data/containers"))
ID = "c0ffee" + "0" * 58
FILES = {f"/etc/{name}": f"/data/containers/{ID}/{name}" for name in ("resolv.conf", "hostname", "hosts")}
FUSE = Device(path="/dev/fuse", kind="c", major=10, minor=229, mode=0o666, permissions="rw")


@dataclass(frozen=True)
class Case:
    """One request, and what was found when it was looked up."""

    host: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    lookups: dict[str, Any] = field(default_factory=dict)
    machine: Host = HOST


CASES = {
    "default": Case(),
    "unified": Case(machine=Host(cgroups="unified", limits=frozenset(LIMITS), capabilities=HOST.capabilities)),
    "privileged": Case({"Privileged": True}, lookups={"devices": [FUSE]}),
    "host": Case(
        {"NetworkMode": "host", "PidMode": "host", "IpcMode": "host", "UTSMode": "host", "CgroupnsMode": "host"},
        lookups={"network": "host"},
    ),
    "joined": Case(
        {"NetworkMode": "container:other", "PidMode": "container:other", "IpcMode": "container:other"},
        lookups={
            "network": "/proc/7/ns/net",
            "pid_namespace": "/proc/7/ns/pid",
            "ipc_namespace": "/proc/7/ns/ipc",
            "shm": "/proc/7/root/dev/shm",
        },
    ),
    "process": Case(
        {
            "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": -1}],
            "GroupAdd": ["5", "audio"],
            "OomScoreAdj": 500,
            "CapAdd": ["SYS_TIME", "net_admin"],
            "CapDrop": ["MKNOD"],
            "Init": True,
            "ConsoleSize": [24, 80],
            "SecurityOpt": ["no-new-privileges"],
        },
        {
            "User": "1000:1001",
            "Env": ["PATH=/bin", "A=1", "HOSTNAME"],
            "WorkingDir": "/w",
            "Hostname": "h",
            "Domainname": "d.example",
            "Tty": True,
            "Entrypoint": ["/bin/sh", "-c"],
            "Cmd": ["true"],
        },
    ),
    "named_user": Case(config={"User": "www:extra"}),
    "resources": Case(
        {
            "Memory": 1 << 27,
            "MemoryReservation": 1 << 26,
            "MemorySwappiness": 10,
            "NanoCpus": 1_500_000_000,
            "CpuShares": 1,
            "CpusetCpus": "0-3",
            "CpusetMems": "0",
            "PidsLimit": -1,
            "BlkioWeight": 500,
            "BlkioDeviceReadBps": [{"Path": "/dev/vda", "Rate": 1000}],
            "BlkioWeightDevice": [{"Path": "/dev/vda", "Weight": 20}],
            "OomKillDisable": True,
            "CgroupParent": "/parent/",
        },
        lookups={"block_devices": {"/dev/vda": (254, 0)}},
    ),
    "devices": Case({"DeviceCgroupRules": ["c 1:3 rw", "b *:* m", "a 7:* rwm"]}, lookups={"devices": [FUSE]}),
    "mounts": Case(
        {
            "Binds": ["/srv/deep:/a/b/c:ro,rslave", "/srv:/a", "/srv/hosts:/etc/hosts"],
            "Mounts": [
                {"Type": "bind", "Source": "/", "Target": "/x", "BindOptions": {"NonRecursive": True}},
                {"Type": "tmpfs", "Target": "/y", "TmpfsOptions": {"SizeBytes": 4096, "Mode": 0o700}},
            ],
            "Tmpfs": {"/run": "size=1m,exec", "/dev/shm": ""},
            "ShmSize": 1 << 20,
        }
    ),
    "own_dev": Case({"Binds": ["/dev:/dev"]}),
    "read_only": Case({"ReadonlyRootfs": True, "Tmpfs": {"/tmp": ""}, "IpcMode": "none"}),
    "unconfined": Case(
        {"SecurityOpt": ["seccomp=unconfined"], "MaskedPaths": [], "ReadonlyPaths": []},
    ),
    "custom_seccomp": Case(
        {"SecurityOpt": ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'], "Sysctls": {"net.ipv4.ip_forward": "1"}},
        lookups={"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}},
    ),
}


def build(case: Case) -> dict[str, Any]:
    """The spec, by the way that a request takes."""
    body = {
        "Image": "busybox",
        "Cmd": ["sleep", "1"],
        **case.config,
        "HostConfig": {"NetworkMode": "none", **case.host},
    }
    request = decode_create(json.dumps(body).encode())
    network = mode.parse(request.host_config.network_mode)
    asked, _ = verify.settle(request.config, request.host_config, network, host=case.machine, options=OPTIONS)
    config = defaults.with_names(request.config, network, container_id=ID, host=case.machine)
    container = Container(
        id=ID,
        name="name",
        created_ns=1,
        image_id="",
        diff_ids=(),
        config=config,
        host=defaults.with_daemons(asked, network, host=case.machine, options=OPTIONS),
        networks=(),
    )
    options = security.parse(container.host.security_opt or (), host=case.machine)
    points = mounts.parse(container.host)
    lookups = Lookups(files=FILES, **case.lookups)
    return spec.build(container, points, options, lookups, host=case.machine, options=OPTIONS)


@pytest.mark.parametrize("name", CASES)
def test_golden_spec(name: str, update_golden: bool) -> None:
    path = Path(__file__).parent / "specs" / f"{name}.json"
    built = json.dumps(build(CASES[name]), indent=2) + "\n"
    if update_golden:
        path.write_text(built)
    assert built == path.read_text()
