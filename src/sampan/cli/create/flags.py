"""Which flags do run and create take? docker's, with docker's meanings.

Readers that need more than a line live beside what they read and are imported when their flag is used: most runs use
three flags of the hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from sampan.cli.flags import LIST, NUMBER, SWITCH, TEXT, Flag, Kind
from sampan.cli.values import (
    BYTES,
    CPUS,
    DURATION,
    ENVIRONMENT,
    LABELS,
    MAP,
    SWAP_BYTES,
    UINT16,
    UNSIGNED,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def lazily(place: str) -> Callable[[str], Any]:
    """A reader MODULE:FUNCTION under sampan.cli.create, imported when called."""

    def read(text: str) -> Any:
        module, _, function = place.partition(":")
        return getattr(import_module(f"sampan.cli.create.{module}"), function)(text)

    return read


def listed(place: str, name: str = "list") -> Kind:
    """A repeatable flag whose values are read by MODULE:FUNCTION."""
    return Kind(name, lazily(place), repeats=True)


def read_stream(text: str) -> str:
    """A value of --attach."""
    if text.lower() not in ("stdin", "stdout", "stderr"):
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


THROTTLE_BYTES = listed("devices:read_byte_rate")
THROTTLE_OPERATIONS = listed("devices:read_operation_rate")

PROCESS = (
    Flag("annotation", MAP, "Add an annotation to the container (passed through to the OCI runtime)"),
    Flag("attach", Kind("list", read_stream, repeats=True), "Attach to STDIN, STDOUT or STDERR", short="a"),
    Flag("cidfile", TEXT, "Write the container ID to the file"),
    Flag("domainname", TEXT, "Container NIS domain name"),
    Flag("entrypoint", TEXT, "Overwrite the default ENTRYPOINT of the image"),
    Flag("env", ENVIRONMENT, "Set environment variables", short="e"),
    Flag("env-file", LIST, "Read in a file of environment variables"),
    Flag("group-add", LIST, "Add additional groups to join"),
    Flag("hostname", TEXT, "Container host name", short="h"),
    Flag("init", SWITCH, "Run an init inside the container that forwards signals and reaps processes"),
    Flag("interactive", SWITCH, "Keep STDIN open even if not attached", short="i"),
    Flag("label", LABELS, "Set metadata on a container", short="l"),
    Flag("label-file", LIST, "Read in a line delimited file of labels"),
    Flag("name", TEXT, "Assign a name to the container"),
    Flag("platform", TEXT, "Set platform if the image has several"),
    Flag("pull", TEXT, 'Pull image before running ("always", "missing", "never")', default="missing"),
    Flag("quiet", SWITCH, "Suppress the pull output", short="q"),
    Flag("restart", TEXT, "Restart policy to apply when a container exits", default="no"),
    Flag("rm", SWITCH, "Remove the container and its anonymous volumes when it exits"),
    Flag("stop-signal", TEXT, "Signal to stop the container"),
    Flag("stop-timeout", NUMBER, "Timeout (in seconds) to stop a container"),
    Flag("tty", SWITCH, "Allocate a pseudo-TTY", short="t"),
    Flag("ulimit", listed("resources:read_ulimit", "ulimit"), "Ulimit options"),
    Flag("user", TEXT, "Username or UID (format: <name|uid>[:<group|gid>])", short="u"),
    Flag("workdir", TEXT, "Working directory inside the container", short="w"),
    Flag("disable-content-trust", SWITCH, "Skip image verification", default=True),
    Flag("use-api-socket", SWITCH, "Bind mount the engine's API socket"),
)

STORAGE = (
    Flag("mount", listed("storage:read_mount", "mount"), "Attach a filesystem mount to the container"),
    Flag("read-only", SWITCH, "Mount the container's root filesystem as read only"),
    Flag("shm-size", BYTES, "Size of /dev/shm"),
    Flag("storage-opt", LIST, "Storage driver options for the container"),
    Flag("tmpfs", LIST, "Mount a tmpfs directory"),
    Flag("volume", LIST, "Bind mount a volume", short="v"),
    Flag("volume-driver", TEXT, "Optional volume driver for the container"),
    Flag("volumes-from", LIST, "Mount volumes from the specified container(s)"),
)

NETWORK = (
    Flag("add-host", listed("network:read_extra_host"), "Add a custom host-to-IP mapping (host:ip)"),
    Flag("dns", listed("network:read_address"), "Set custom DNS servers"),
    Flag("dns-option", LIST, "Set DNS options", aliases=("dns-opt",)),
    Flag("dns-search", LIST, "Set custom DNS search domains"),
    Flag("expose", LIST, "Expose a port or a range of ports"),
    Flag("ip", TEXT, "IPv4 address (e.g., 172.30.100.104)"),
    Flag("ip6", TEXT, "IPv6 address (e.g., 2001:db8::33)"),
    Flag("link", listed("network:read_link"), "Add link to another container"),
    Flag("link-local-ip", LIST, "Container IPv4/IPv6 link-local addresses"),
    Flag("mac-address", TEXT, "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    Flag(
        "network",
        listed("network:read_network", "network"),
        "Connect a container to a network: NAME, or name=NAME with alias=, ip=, ip6=, mac-address=, link-local-ip=,\n"
        "gw-priority=, driver-opt=, and rate=, burst= (rate-in=, rate-out= …) to limit bandwidth; repeatable",
        aliases=("net",),
    ),
    Flag("network-alias", LIST, "Add network-scoped alias for the container", aliases=("net-alias",)),
    Flag("publish", LIST, "Publish a container's port(s) to the host", short="p"),
    Flag("publish-all", SWITCH, "Publish all exposed ports to random ports", short="P"),
)

RESOURCES = (
    Flag("blkio-weight", UINT16, "Block IO (relative weight), between 10 and 1000, or 0 to disable", default=0),
    Flag("blkio-weight-device", listed("devices:read_weight"), "Block IO weight (relative device weight)"),
    Flag("cgroup-parent", TEXT, "Optional parent cgroup for the container"),
    Flag("cpu-count", NUMBER, "CPU count (Windows only)", default=0, hidden=True),
    Flag("cpu-percent", NUMBER, "CPU percent (Windows only)", default=0, hidden=True),
    Flag("cpu-period", NUMBER, "Limit CPU CFS (Completely Fair Scheduler) period", default=0),
    Flag("cpu-quota", NUMBER, "Limit CPU CFS (Completely Fair Scheduler) quota", default=0),
    Flag("cpu-rt-period", NUMBER, "Limit CPU real-time period in microseconds", default=0),
    Flag("cpu-rt-runtime", NUMBER, "Limit CPU real-time runtime in microseconds", default=0),
    Flag("cpu-shares", NUMBER, "CPU shares (relative weight)", short="c", default=0),
    Flag("cpus", CPUS, "Number of CPUs", default=0),
    Flag("cpuset-cpus", TEXT, "CPUs in which to allow execution (0-3, 0,1)"),
    Flag("cpuset-mems", TEXT, "MEMs in which to allow execution (0-3, 0,1)"),
    Flag("device-read-bps", THROTTLE_BYTES, "Limit read rate (bytes per second) from a device"),
    Flag("device-read-iops", THROTTLE_OPERATIONS, "Limit read rate (IO per second) from a device"),
    Flag("device-write-bps", THROTTLE_BYTES, "Limit write rate (bytes per second) to a device"),
    Flag("device-write-iops", THROTTLE_OPERATIONS, "Limit write rate (IO per second) to a device"),
    Flag("io-maxbandwidth", BYTES, "Maximum IO bandwidth (Windows only)", default=0, hidden=True),
    Flag("io-maxiops", UNSIGNED, "Maximum IOps limit (Windows only)", default=0, hidden=True),
    Flag("kernel-memory", BYTES, "Deprecated, without effect: the kernel has no such limit any more", hidden=True),
    Flag("memory", BYTES, "Memory limit", short="m", default=0),
    Flag("memory-reservation", BYTES, "Memory soft limit", default=0),
    Flag("memory-swap", SWAP_BYTES, "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", default=0),
    Flag("memory-swappiness", NUMBER, "Tune container memory swappiness (0 to 100)", default=-1),
    Flag("oom-kill-disable", SWITCH, "Disable OOM Killer"),
    Flag("oom-score-adj", NUMBER, "Tune host's OOM preferences (-1000 to 1000)", default=0),
    Flag("pids-limit", NUMBER, "Tune container pids limit (set -1 for unlimited)", default=0),
)

SECURITY = (
    Flag("cap-add", LIST, "Add Linux capabilities"),
    Flag("cap-drop", LIST, "Drop Linux capabilities"),
    Flag("cgroupns", TEXT, "Cgroup namespace to use: host, private, or '' for the daemon's default"),
    Flag("device", LIST, "Add a host device to the container"),
    Flag("device-cgroup-rule", listed("devices:read_rule"), "Add a rule to the cgroup allowed devices list"),
    Flag(
        "gpus", listed("devices:read_gpus", "gpu-request"), "GPU devices to add to the container ('all' for all GPUs)"
    ),
    Flag("ipc", TEXT, "IPC mode to use"),
    Flag("isolation", TEXT, "Container isolation technology (Windows only)", hidden=True),
    Flag("pid", TEXT, "PID namespace to use"),
    Flag("privileged", SWITCH, "Give extended privileges to this container"),
    Flag("runtime", TEXT, "Runtime to use for this container"),
    Flag("security-opt", LIST, "Security options"),
    Flag("sysctl", listed("resources:read_sysctl", "map"), "Sysctl options"),
    Flag("userns", TEXT, "User namespace to use"),
    Flag("uts", TEXT, "UTS namespace to use"),
)

HEALTH = (
    Flag("health-cmd", TEXT, "Command to run to check health"),
    Flag("health-interval", DURATION, "Time between running the check (ms|s|m|h)", default=0),
    Flag("health-retries", NUMBER, "Consecutive failures needed to report unhealthy", default=0),
    Flag("health-start-interval", DURATION, "Time between checks during the start period (ms|s|m|h)", default=0),
    Flag("health-start-period", DURATION, "Time to start before failures count (ms|s|m|h)", default=0),
    Flag("health-timeout", DURATION, "Maximum time to allow one check to run (ms|s|m|h)", default=0),
    Flag("health-restart", SWITCH, "Restart the container when its check says unhealthy (docker has no such flag)"),
    Flag("no-healthcheck", SWITCH, "Disable any container-specified HEALTHCHECK"),
)

LOGGING = (
    Flag("log-driver", TEXT, "Logging driver for the container"),
    Flag("log-opt", LIST, "Log driver options"),
)

CREATE_FLAGS = (*PROCESS, *STORAGE, *NETWORK, *RESOURCES, *SECURITY, *HEALTH, *LOGGING)
RUN_FLAGS = (
    *CREATE_FLAGS,
    Flag("detach", SWITCH, "Run container in background and print container ID", short="d"),
    Flag("detach-keys", TEXT, "Override the key sequence for detaching a container"),
    Flag("sig-proxy", SWITCH, "Proxy received signals to the process", default=True),
)
