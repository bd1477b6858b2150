"""Is every impossible request refused, with dockerd's sentence?

The sentences are those of a real dockerd 20.10 for the same body, unless they say that something is not supported yet.
"""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.containers.conftest import HOST, request

from sampan.containers import verify
from sampan.containers.host import Host, Options
from sampan.errors import InvalidRequest, NotSupported, SampanError
from sampan.networks import mode

OPTIONS = Options(directory=Path("/nowhere"))


def settle(host: dict[str, Any], config: dict[str, Any] | None = None, machine: Host = HOST) -> tuple[Any, list[str]]:
    body = request(host, **(config or {}))
    network = mode.parse(body.host_config.network_mode)
    return verify.settle(body.config, body.host_config, network, host=machine, options=OPTIONS)


BIND = 'invalid mount config for type "bind": '
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"Memory": 1}, "Minimum memory limit allowed is 6MB"),
    (
        {"Memory": 10**7, "MemorySwap": 10**6},
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    ),
    ({"MemorySwap": 10**7}, "You should always set the Memory limit when using Memoryswap limit, see usage"),
    ({"MemorySwappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
    ({"MemorySwappiness": -2}, "Invalid value: -2, valid memory swappiness range is 0-100"),
    ({"MemoryReservation": 5}, "Minimum memory reservation allowed is 6MB"),
    (
        {"Memory": 10**7, "MemoryReservation": 10**8},
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    ),
    ({"NanoCpus": -1}, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
    ({"NanoCpus": 10**11}, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
    ({"NanoCpus": 10**9, "CpuPeriod": 5000}, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
    ({"NanoCpus": 10**9, "CpuQuota": 5000}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
    ({"CpuPeriod": 1}, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
    ({"CpuQuota": 1}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    ({"CpusetCpus": "0-9"}, "Requested CPUs are not available - requested 0-9, available: 0-1"),
    ({"CpusetCpus": "x"}, "Invalid value x for cpuset cpus: invalid format: x"),
    ({"CpusetCpus": "1-0"}, "Invalid value 1-0 for cpuset cpus: invalid format: 1-0"),
    ({"CpusetMems": "5"}, "Requested memory nodes are not available - requested 5, available: 0"),
    ({"BlkioWeight": 5}, "Range of blkio weight is from 10 to 1000"),
    (
        {"IOMaximumIOps": 1},
        "Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps",
    ),
    ({"Isolation": "hyperv"}, "Invalid isolation: \"hyperv\" - linux only supports 'default'"),
    ({"OomScoreAdj": 1001}, "Invalid value 1001, range for oom score adj is [-1000, 1000]"),
    ({"ShmSize": -1}, "SHM size can not be less than 0"),
    ({"IpcMode": "foo"}, "invalid IPC mode: foo"),
    ({"PidMode": "private"}, "invalid PID mode: private"),
    ({"UTSMode": "foo"}, "invalid UTS mode: foo"),
    ({"UsernsMode": "foo"}, "invalid user namespace mode: foo"),
    ({"CgroupnsMode": "foo"}, "invalid cgroup namespace mode: foo"),
    ({"NetworkMode": "container:"}, "Invalid network mode: invalid container format container:<name|id>"),
    ({"NetworkMode": "container:x", "Dns": ["1.1.1.1"]}, "conflicting options: dns and the network mode"),
    (
        {"NetworkMode": "container:x", "ExtraHosts": ["a:1.2.3.4"]},
        "conflicting options: custom host-to-IP mapping and the network mode",
    ),
    (
        {"NetworkMode": "container:x", "PublishAllPorts": True},
        "conflicting options: port publishing and the container type network mode",
    ),
    ({"ExtraHosts": ["a"]}, 'bad format for add-host: "a"'),
    ({"ExtraHosts": ["a:b"]}, 'invalid IP address in add-host: "b"'),
    ({"CapAdd": ["FOO"]}, 'invalid CapAdd: unknown capability: "CAP_FOO"'),
    ({"CapDrop": ["FOO"]}, 'invalid CapDrop: unknown capability: "CAP_FOO"'),
    ({"SecurityOpt": ["foo"]}, 'invalid --security-opt 1: "foo"'),
    ({"SecurityOpt": ["foo=bar"]}, 'invalid --security-opt 2: "foo=bar"'),
    ({"SecurityOpt": ["no-new-privileges:maybe"]}, 'invalid --security-opt 2: "no-new-privileges:maybe"'),
    (
        {"SecurityOpt": ["apparmor=foo"]},
        'cannot use AppArmor profile "foo": AppArmor is not enabled in this kernel',
    ),
    (
        {"SecurityOpt": ["label=level:s0"]},
        'the security option "label=level:s0" is of no effect: SELinux is not enabled on this machine',
    ),
    ({"Ulimits": [{"Name": "foo", "Soft": 1, "Hard": 1}]}, "invalid ulimit type: foo"),
    (
        {"Ulimits": [{"Name": "nofile", "Soft": 20, "Hard": 10}]},
        "ulimit soft limit must be less than or equal to hard limit: 20 > 10",
    ),
    (
        {"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "x"}]},
        "invalid device mode: x",
    ),
    ({"DeviceCgroupRules": ["foo"]}, "invalid device cgroup rule format: 'foo'"),
    (
        {"Binds": ["/tmp:b"]},
        f"invalid volume specification: '/tmp:b': {BIND}invalid mount path: 'b' mount path must be absolute",
    ),
    (
        {"Binds": ["/tmp:/"]},
        f"invalid volume specification: '/tmp:/': {BIND}invalid specification: destination can't be '/'",
    ),
    ({"Binds": ["/tmp:/b:foo"]}, "invalid mode: foo"),
    ({"Binds": ["/tmp:/b:ro,rw"]}, "invalid mode: ro,rw"),
    ({"Binds": ["/tmp:/b:ro", "/tmp:/b"]}, "Duplicate mount point: /b"),
    ({"Binds": ["/tmp:/b:c:d:e"]}, "invalid volume specification: '/tmp:/b:c:d:e'"),
    (
        {"Binds": ["/tmp:/b:nocopy"]},
        f"invalid volume specification: '/tmp:/b:nocopy': {BIND}field VolumeOptions must not be specified",
    ),
    ({"Binds": ["/b:rw"]}, "invalid volume specification: '/b:rw'"),
    (
        {"Mounts": [{"Type": "bind", "Source": "/nope", "Target": "/x"}]},
        f"{BIND}bind source path does not exist: /nope",
    ),
    (
        {"Mounts": [{"Type": "bind", "Source": "tmp", "Target": "/x"}]},
        f"{BIND}invalid mount path: 'tmp' mount path must be absolute",
    ),
    ({"Mounts": [{"Type": "bind", "Target": "/x"}]}, f"{BIND}field Source must not be empty"),
    ({"Mounts": [{"Type": "bind", "Source": "/tmp"}]}, f"{BIND}field Target must not be empty"),
    (
        {"Mounts": [{"Type": "foo", "Source": "/tmp", "Target": "/x"}]},
        'invalid mount config for type "foo": mount type unknown',
    ),
    (
        {"Mounts": [{"Type": "tmpfs", "Source": "/tmp", "Target": "/x"}]},
        'invalid mount config for type "tmpfs": field Source must not be specified',
    ),
    (
        {"Mounts": [{"Type": "tmpfs", "Target": "/x", "BindOptions": {}}]},
        'invalid mount config for type "tmpfs": field BindOptions must not be specified',
    ),
    (
        {"Mounts": [{"Type": "bind", "Source": "/tmp", "Target": "/x", "BindOptions": {"Propagation": "foo"}}]},
        f"{BIND}invalid propagation mode: foo",
    ),
    (
        {"Mounts": [{"Type": "volume", "Target": "/x", "ReadOnly": True}]},
        'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes',
    ),
    ({"Tmpfs": {"x": ""}}, "invalid mount path: 'x' mount path must be absolute"),
    ({"Tmpfs": {"/": ""}}, "invalid specification: destination can't be '/'"),
    ({"Tmpfs": {"/x": "foo"}}, 'Invalid tmpfs option "foo"'),
    ({"Tmpfs": {"/b": ""}, "Binds": ["/tmp:/b"]}, "Duplicate mount point: /b"),
    ({"Runtime": "nope"}, "Unknown runtime specified nope"),
    ({"RestartPolicy": {"Name": "foo"}}, "invalid restart policy 'foo'"),
    (
        {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}},
        "maximum retry count cannot be used with restart policy 'always'",
    ),
    (
        {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": -3}},
        "maximum retry count cannot be negative",
    ),
    (
        {"RestartPolicy": {"Name": "always"}, "AutoRemove": True},
        "can't create 'AutoRemove' container with restart policy",
    ),
    ({"LogConfig": {"Type": "foo"}}, 'error looking up logging plugin foo: plugin "foo" not found'),
    ({"LogConfig": {"Type": "json-file", "Config": {"foo": "1"}}}, "unknown log opt 'foo' for json-file log driver"),
    ({"LogConfig": {"Type": "json-file", "Config": {"max-size": "x"}}}, "invalid size: 'x'"),
    ({"LogConfig": {"Type": "json-file", "Config": {"max-file": "0"}}}, "max-file cannot be less than 1"),
    ({"PortBindings": {"80/tcp": [{"HostPort": "99999"}]}}, 'invalid port specification: "99999"'),
    ({"PortBindings": {"foo": [{"HostPort": "1"}]}}, 'invalid port specification: "foo"'),
    (
        {"Annotations": {"sampan.init": "x"}},
        'invalid annotation "sampan.init": names that begin with "sampan." are the engine\'s own',
    ),
]


@pytest.mark.parametrize(("host", "sentence"), REFUSED, ids=[sentence[:50] for _, sentence in REFUSED])
def test_dockerds_sentence(host: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SampanError) as caught:
        settle(host)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"Env": ["=a"]}, "invalid environment variable: =a"),
        ({"Env": [""]}, "invalid environment variable: "),
        ({"WorkingDir": "x"}, "the working directory 'x' is invalid, it needs to be an absolute path"),
        ({"StopSignal": "FOO"}, "Invalid signal: FOO"),
        ({"Healthcheck": {"Test": ["CMD", "x"], "Interval": 5}}, "Interval in Healthcheck cannot be less than 1ms"),
        ({"Healthcheck": {"Retries": -1}}, "Retries in Healthcheck cannot be negative"),
        ({"ExposedPorts": {"80/foo": {}}}, 'invalid port specification: "80/foo"'),
        ({"User": "4294967296"}, "uids and gids must be in range 0-2147483647"),
    ],
)
def test_dockerds_sentence_for_the_config(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        settle({}, config)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("host", "config"),
    [
        ({"SecurityOpt": ["writable-cgroups=true"]}, {}),
    ],
)
def test_what_is_not_there_yet_is_refused_and_said(host: dict[str, Any], config: dict[str, Any]) -> None:
    with pytest.raises(NotSupported, match=r"not supported|does not have"):
        settle(host, config)


@pytest.mark.parametrize(
    "host",
    [
        {"Sysctls": {"net.ipv4.ip_forward": "1"}},
        {"Sysctls": {"kernel.msgmax": "100", "fs.mqueue.msg_max": "5", "net/core/somaxconn": "9"}},
        {"PidsLimit": -5},
        {"MemorySwappiness": -1},
        {"CpuQuota": -5},
        {"CapAdd": ["cap_sys_admin", "ALL"], "CapDrop": "net_admin"},
        {"SecurityOpt": ["seccomp:unconfined", "apparmor=unconfined", "label=disable", "no-new-privileges=false"]},
        {"Binds": ["/nope/x:/b", "/tmp:/c:z,ro,rslave,cached"]},
        {"Tmpfs": {"/x": "size=1m,exec,mode=1777"}},
        {"LogConfig": {"Type": "none", "Config": {"a": "b"}}},
        {"LogConfig": {"Type": "local", "Config": {"max-size": "1.5m", "max-file": "2", "compress": "false"}}},
        {"RestartPolicy": {"Name": "no"}},
        {"Annotations": {"a": "b"}},
        {"ExtraHosts": ["a:::1", "b:[fe80::1]"], "Dns": ["fe80::1%eth0"]},
    ],
)
def test_what_docker_accepts_is_accepted(host: dict[str, Any]) -> None:
    settle(host)


@pytest.mark.parametrize(
    "sysctls",
    [
        {"kernel.panic": "1"},
        {"vm.swappiness": "1"},
        {"kernel.core_pattern": "|/x"},
        {"net.a": "1\nkernel.panic=1"},
        {"net.a+b": "1"},
        {"net/../kernel/panic": "1"},
        {"net..a": "1"},
        {"": "1"},
        {"fs.mqueue/../../kernel/panic": "1"},
    ],
)
def test_a15_only_namespaced_sysctls_one_key_one_value(sysctls: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        settle({"Sysctls": sysctls})


@pytest.mark.parametrize(
    "host",
    [
        {"Sysctls": {"net.ipv4.ip_forward": "1"}, "NetworkMode": "host"},
        {"Sysctls": {"net.ipv4.ip_forward": "1"}, "NetworkMode": "container:x"},
        {"Sysctls": {"kernel.shmmax": "1"}, "IpcMode": "host"},
        {"Sysctls": {"fs.mqueue.msg_max": "1"}, "IpcMode": "container:x"},
    ],
)
def test_a15_no_sysctl_reaches_a_namespace_that_is_not_the_containers_own(host: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        settle(host)


@pytest.mark.parametrize(
    ("host", "config"),
    [
        ({}, {"Hostname": "a\nb"}),
        ({}, {"Hostname": "a b"}),
        ({}, {"Domainname": "\r"}),
        ({}, {"User": "root\n"}),
        ({"ExtraHosts": ["a:1.2.3.4\nb"]}, {}),
        ({"ExtraHosts": ["a\nb:1.2.3.4"]}, {}),
        ({"DnsSearch": ["a b"]}, {}),
        ({"DnsOptions": ["ndots:3\nnameserver 6.6.6.6"]}, {}),
        ({"Dns": ["1.1.1.1\nsearch x"]}, {}),
        ({"GroupAdd": ["a,b"]}, {}),
    ],
)
def test_a20_nothing_forges_a_line_of_a_generated_file(host: dict[str, Any], config: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        settle(host, config)


@pytest.mark.parametrize("parent", ["../x", "a/../b", "/..", "a:b", "a\nb"])
def test_a30_a_cgroup_parent_cannot_climb(parent: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid cgroup parent"):
        settle({"CgroupParent": parent})


@pytest.mark.parametrize(
    ("missing", "host", "field", "value"),
    [
        ("memory", {"Memory": 10**8}, "memory", 0),
        ("swap", {"Memory": 10**8, "MemorySwap": 10**9}, "memory_swap", -1),
        ("pids", {"PidsLimit": 5}, "pids_limit", None),
        ("cpu_shares", {"CpuShares": 5}, "cpu_shares", 0),
        ("cpuset", {"CpusetCpus": "0"}, "cpuset_cpus", ""),
        ("blkio_weight", {"BlkioWeight": 50}, "blkio_weight", 0),
        ("swappiness", {"MemorySwappiness": 5}, "memory_swappiness", None),
    ],
)
def test_a_limit_that_the_kernel_lacks_is_dropped_with_a_warning(
    missing: str, host: dict[str, Any], field: str, value: object
) -> None:
    machine = Host(cpu_count=2, cpus="0-1", limits=HOST.limits - {missing}, capabilities=HOST.capabilities)
    asked, warnings = settle(host, machine=machine)
    assert getattr(asked, field) == value
    assert [warning for warning in warnings if warning.startswith("Your kernel does not support")]
    asked, warnings = settle(host)
    assert getattr(asked, field) != value
    assert warnings == []


def test_memory_alone_allows_as_much_swap() -> None:
    assert settle({"Memory": 10**8})[0].memory_swap == 2 * 10**8
