"""Which of docker's flags work here? `tools/flags_table.py > docs/flags.md`; a test holds the file to this.

Docker's flags are those of its client 28.2. What becomes of each is asked of the code: whether our command knows it,
and for what makes a container whether a request with it passes the engine's check, on a machine that has everything.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from sampan.cli.command import Command, Failure
from sampan.cli.create.body import container_create
from sampan.cli.create.flags import RUN_FLAGS
from sampan.cli.flags import BadUsage, Flag, parse
from sampan.cli.table import COMMANDS
from sampan.containers import verify
from sampan.containers.host import LIMITS, Host, Options
from sampan.errors import SampanError
from sampan.linux.capability import CAPABILITIES
from sampan.networks.mode import Mode
from sampan.wire.containers import decode_create

_CREATE = """
add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-count
cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems device
device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust dns
dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries
health-start-interval health-start-period health-timeout hostname init interactive io-maxbandwidth io-maxiops ip ip6 ipc
isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory memory-reservation
memory-swap memory-swappiness mount name network network-alias no-healthcheck oom-kill-disable oom-score-adj pid
pids-limit platform privileged publish publish-all pull quiet read-only restart rm runtime security-opt shm-size
stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user userns uts volume volume-driver
volumes-from workdir
"""
_EVENTS = "filter format since until"
DOCKERS = {
    "run": f"{_CREATE} detach detach-keys sig-proxy",
    "create": _CREATE,
    "update": "blkio-weight cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems "
    "memory memory-reservation memory-swap pids-limit restart",
    "exec": "detach detach-keys env env-file interactive privileged tty user workdir",
    "cp": "archive follow-link quiet",
    "stats": "all format no-stream no-trunc",
    "events": _EVENTS,
    "inspect": "format size type",
    "system df": "format verbose",
    "system events": _EVENTS,
    "system info": "format",
    "system prune": "all filter force volumes",
    "volume create": "availability driver group label limit-bytes opt required-bytes scope secret sharing "
    "topology-preferred topology-required type",
    "volume inspect": "format",
    "volume ls": "cluster filter format quiet",
    "volume prune": "all filter force",
    "volume rm": "force",
    "volume update": "availability",
}
CLUSTER = frozenset(
    (
        "availability", "cluster", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing",
        "topology-preferred", "topology-required", "type",
    )
)  # fmt: skip
WINDOWS = frozenset(("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops", "isolation"))
# What a flag is given where "1" or nothing would not do, and what must stand beside it.
SAMPLES = {
    "add-host": "a:1.2.3.4", "annotation": "a=b", "attach": "stdout", "blkio-weight": "300", "ulimit": "nofile=1:2",
    "blkio-weight-device": "/dev/sda:300", "cap-add": "NET_ADMIN", "cap-drop": "CHOWN", "cgroupns": "private",
    "cpu-period": "50000", "cpu-quota": "50000", "cpu-rt-period": "100000", "cpuset-cpus": "0", "cpuset-mems": "0",
    "device": "/dev/null", "device-cgroup-rule": "c 1:3 rwm", "device-read-bps": "/dev/sda:1mb",
    "device-read-iops": "/dev/sda:10", "device-write-bps": "/dev/sda:1mb", "device-write-iops": "/dev/sda:10",
    "dns": "10.0.0.1", "dns-option": "ndots:2", "dns-search": "a.b", "env": "A=1", "expose": "80", "gpus": "all",
    "health-interval": "1s", "health-start-interval": "1s", "health-start-period": "1s", "health-timeout": "1s",
    "ip": "10.1.2.3", "ip6": "2001:db8::1", "ipc": "shareable", "kernel-memory": "50m", "label": "a=b", "link": "a:b",
    "link-local-ip": "169.254.1.1", "log-driver": "local", "log-opt": "max-size=1m", "mac-address": "02:42:ac:11:00:02",
    "memory": "64m", "memory-reservation": "64m", "memory-swap": "64m", "memory-swappiness": "10",
    "mount": "type=tmpfs,target=/t", "network-alias": "x", "pid": "host", "platform": "linux/amd64", "publish": "80",
    "pull": "never", "restart": "always", "runtime": "sampan", "security-opt": "no-new-privileges", "shm-size": "1m",
    "stop-signal": "INT", "storage-opt": "size=1g", "sysctl": "net.core.somaxconn=9", "tmpfs": "/t", "userns": "host",
    "uts": "host", "volume": "/v", "volume-driver": "local", "workdir": "/w", "network": "net1", "isolation": "default",
}  # fmt: skip
BESIDE = {
    "memory-swap": ["--memory", "64m"], "ip": ["--network", "net1"], "ip6": ["--network", "net1"],
    "link-local-ip": ["--network", "net1"], "network-alias": ["--network", "net1"],
    "oom-kill-disable": ["--memory", "64m"], "cpu-rt-runtime": ["--cpu-rt-period", "100000"],
}  # fmt: skip
NO_FILES = frozenset(("env-file", "label-file", "cidfile"))  # they are read and written by the client alone
HOST = Host(
    cpu_count=2, cpus="0-1", memory_nodes="0", limits=frozenset(LIMITS), capabilities=frozenset(CAPABILITIES)
)  # fmt: skip
HEAD = """# docker's flags here

Made by `tools/flags_table.py`; a test fails when this is not what the code does. The flags are docker's, client 28.2.
"""


def rows() -> Iterator[tuple[str, str, str]]:
    """(command, flag, what becomes of it) for every flag of docker's."""
    for command, names in DOCKERS.items():
        for name in sorted(names.split()):
            yield command, name, outcome(command, name)


def outcome(command: str, name: str) -> str:
    """`works`, `refused: …` or `not applicable: …`."""
    if name in WINDOWS:
        return "not applicable: for Windows only; refused when given"
    if command.startswith("volume") and name in CLUSTER:
        return "not applicable: for cluster volumes, which need a swarm"
    if name == "disable-content-trust":
        return "not applicable: there is no content trust to switch off; taken and without effect"
    if name == "kernel-memory":
        return "not applicable: no kernel has this limit any more; taken with a warning"
    flag = next((flag for flag in command_of(command).flags if flag.name == name), None)
    if flag is None:
        return "refused: unknown flag"
    if command in ("run", "create"):
        return in_a_request(flag)
    return "works"


def command_of(name: str) -> Command:
    """Our command of that name."""
    module, _, variable = COMMANDS[name].place.partition(":")
    found = getattr(import_module(f"sampan.cli.commands.{module}"), variable or "COMMAND")
    assert isinstance(found, Command)
    return found


def in_a_request(flag: Flag) -> str:
    """Whether a container can be asked for with this flag."""
    if flag.name in NO_FILES:
        return "works"
    if flag.name == "use-api-socket":
        return "refused: a container with the engine's socket is root on the machine; mount it with -v if you mean it"
    given = [f"--{flag.name}"] if flag.kind.is_switch else [f"--{flag.name}", SAMPLES.get(flag.name, "1")]
    try:
        options, _ = parse(RUN_FLAGS, [*BESIDE.get(flag.name, []), *given])
        body = decode_create(json.dumps(container_create(options, "image", [])).encode())
        mode = body.host_config.network_mode
        network = Mode(network="bridge" if mode == "default" else mode)
        verify.settle(body.config, body.host_config, network, host=HOST, options=Options(directory=Path("/none")))
    except (Failure, SampanError, BadUsage) as error:
        return f"refused: {error}"
    return "works"


def text() -> str:
    """The page."""
    lines = [HEAD]
    last = ""
    for command, name, result in rows():
        if command != last:
            lines.append(f"\n## {command}\n\n| flag | here |\n|---|---|")
            last = command
        lines.append(f"| `--{name}` | {result} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
