"""Which request does a command line of run make? Outside, docker itself is the measure."""

import shlex

import pytest

from sampan.cli.command import Failure
from sampan.cli.create.body import container_create
from sampan.cli.create.flags import RUN_FLAGS
from sampan.cli.flags import BadUsage, parse


def body(line: str) -> dict[str, object]:
    """The body for the flags in `line`."""
    options, (image, *words) = parse(RUN_FLAGS, [*shlex.split(line), "busybox"], interspersed=False)
    return container_create(options, image, words)


def field(line: str, path: str) -> object:
    """One field of the body, `HostConfig.Binds`."""
    value: object = body(line)
    for name in path.split("."):
        assert isinstance(value, dict)
        value = value[name]
    return value


@pytest.mark.parametrize(
    ("line", "path", "value"),
    [
        ("", "Cmd", None),
        ("", "AttachStdout", True),
        ("-i", "StdinOnce", True),
        ("-a stdin", "AttachStdout", False),
        ("--entrypoint ''", "Entrypoint", [""]),
        ("--stop-timeout 0", "StopTimeout", 0),
        ("--cap-add net_admin --cap-add CAP_NET_ADMIN --cap-add all", "HostConfig.CapAdd", ["ALL", "CAP_NET_ADMIN"]),
        ("-v /a:/b:ro -v /c", "HostConfig.Binds", ["/a:/b:ro"]),
        ("-v /a:/b:ro -v /c", "Volumes", {"/c": {}}),
        ("-v v:/x", "HostConfig.Binds", ["v:/x"]),
        ("--tmpfs /a:size=1m --tmpfs /b", "HostConfig.Tmpfs", {"/a": "size=1m", "/b": ""}),
        ("-p 8080:80/udp", "ExposedPorts", {"80/udp": {}}),
        ("-p 1.2.3.4:8080:80", "HostConfig.PortBindings", {"80/tcp": [{"HostIp": "1.2.3.4", "HostPort": "8080"}]}),
        ("--network none", "NetworkingConfig.EndpointsConfig", {}),
        ("--network container:x", "HostConfig.NetworkMode", "container:x"),
        ("--pid container:x", "HostConfig.PidMode", "container:x"),
        ("--security-opt systempaths=unconfined", "HostConfig.MaskedPaths", []),
        ("--ulimit nofile=5", "HostConfig.Ulimits", [{"Name": "nofile", "Soft": 5, "Hard": 5}]),
        ("--ulimit core=-1", "HostConfig.Ulimits", [{"Name": "core", "Soft": -1, "Hard": -1}]),
        (
            "--device /dev/a:r",
            "HostConfig.Devices",
            [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "r"}],
        ),
        ("--restart on-failure:3", "HostConfig.RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}),
        ("--health-cmd x --health-interval 1s", "Healthcheck", {"Test": ["CMD-SHELL", "x"], "Interval": 10**9}),
        ("--no-healthcheck", "Healthcheck", {"Test": ["NONE"]}),
        (
            "--mount type=tmpfs,dst=/q,tmpfs-size=1k",
            "HostConfig.Mounts",
            [{"Type": "tmpfs", "Target": "/q", "TmpfsOptions": {"SizeBytes": 1024}}],
        ),
        (
            "--gpus all",
            "HostConfig.DeviceRequests",
            [{"Driver": "", "Count": -1, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}],
        ),
        ("--add-host a=[::1] --add-host b:host-gateway", "HostConfig.ExtraHosts", ["a:::1", "b:host-gateway"]),
    ],
)
def test_fields(line: str, path: str, value: object) -> None:
    assert field(line, path) == value


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--rm --restart always", "cannot specify both --restart and --rm"),
        ("--pid x", "--pid: invalid PID mode"),
        ("--pid container:", "--pid: invalid PID mode"),
        ("--uts container:x", "--uts: invalid UTS mode"),
        ("--log-driver none --log-opt a=b", "invalid logging opts for driver none"),
        ("--storage-opt x", "invalid storage option"),
        ("--memory-swappiness 101", "Valid memory swappiness range is 0-100"),
        ("--restart on-failure:x", "invalid restart policy format"),
        ("--no-healthcheck --health-cmd x", "--no-healthcheck conflicts with --health-"),
        ("--health-interval=-1s", "--health-interval cannot be negative"),
        ("-p x", "'x' is not a port"),
        ("-p 90-80", "goes backwards"),
        ("-p 80-82:90-91", "differ in length"),
        ("-p 80/xyz", "unknown protocol"),
        ("-p published=80", "target= is missing"),
        ("--expose 1:2", "to publish a port on the host, use -p"),
        ("--device x", "x is not an absolute path"),
        ("--security-opt x", "invalid --security-opt"),
        ("--security-opt seccomp=/nonexistent", "opening seccomp profile"),
        ("--env-file /nonexistent", "open /nonexistent: no such file"),
        ("--network a --network a", 'network "a" is specified multiple times'),
        ("--network a --network none", "cannot attach both user-defined and non-user-defined"),
        ("--network none --network-alias x", "aliases are only supported for user-defined networks"),
        ("--network name=a,ip=1.2.3.4 --ip 1.2.3.5", "cannot specify both --ip"),
        ("--mac-address zz", "zz is not a valid mac address"),
        ("--cpu-count 1", "only supported on Windows"),
    ],
)
def test_what_cannot_work_is_refused(line: str, problem: str) -> None:
    with pytest.raises(Failure, match=problem.replace("(", r"\(")):
        body(line)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--ulimit x=1", "invalid ulimit type: x"),
        ("--ulimit nofile=2:1", "soft limit must be less"),
        ("--ulimit nofile", "invalid ulimit argument"),
        ("--sysctl kernel.panic=1", "is not allowed"),
        ("--sysctl net.x", "is not allowed"),
        ("--mount x", "must be a key=value pair"),
        ("--mount type=bind,src=/a", "target is required"),
        ("--mount type=x,dst=/a", "invalid mount type"),
        ("--mount dst=/a,zzz=1", "unexpected key 'zzz'"),
        ("--mount type=bind,dst=/a,tmpfs-size=1", "cannot mix 'tmpfs-"),
        ("--mount type=bind,dst=/a,bind-recursive=readonly", "requires 'readonly'"),
        ("--network a=b", "invalid field key a"),
        ("--network alias=b", "network name or id is not specified"),
        ("--network name=b,x", "invalid key/value pair"),
        ("--dns x", "invalid IP address: x"),
        ("--add-host x", "bad format for add-host"),
        ("--add-host x:y", "invalid IP address in add-host"),
        ("--link a:b:c", "bad format for links"),
        ("--device-cgroup-rule x", "invalid device cgroup format"),
        ("--device-read-bps /dev/sda", "bad format"),
        ("--device-read-bps sda:1", "bad format for device path"),
        ("--device-read-iops /dev/sda:1k", "invalid rate"),
        ("--blkio-weight-device /dev/sda:5", "invalid weight"),
        ("--gpus x=1", "unexpected key 'x'"),
        ("-a x", "valid streams are"),
        ("-l =x", "empty name"),
    ],
)
def test_values_that_cannot_be_read_are_refused(line: str, problem: str) -> None:
    with pytest.raises(BadUsage, match=problem):
        body(line)
