"""Which flags of dockerd are known, and which have an effect here?

All of dockerd 28's, so that a script written for dockerd can be given this daemon. A flag that has no effect yet is
refused with its reason when it asks for something; never silently ignored. `key` is the name in the configuration file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a flag's value is."""

    SWITCH = ""
    TEXT = "string"
    NUMBER = "int"
    LIST = "list"
    MAP = "map"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `absent`: why asking for it is refused, "" when it is effective. `harmless` values ask for nothing."""

    name: str
    kind: Kind
    help: str
    default: object = None
    short: str = ""
    key: str = ""
    absent: str = ""
    harmless: tuple[object, ...] = ()

    @property
    def file_key(self) -> str:
        """Its name in the configuration file."""
        return self.key or self.name


_BRIDGE = "bridge networks are not supported by this engine yet: it runs with --bridge none"
_REGISTRY = "registries are not supported by this engine yet"
_SWARM = "swarm mode is not supported by this engine"
_NO_CONTAINERD = "there is no containerd in this engine"
_FIREWALL = (True, False)  # with --bridge none nothing is published, so there is no rule to make or to leave out


def _flags() -> tuple[Flag, ...]:
    switch, text, number, many, pairs = Kind.SWITCH, Kind.TEXT, Kind.NUMBER, Kind.LIST, Kind.MAP
    return (
        Flag("add-runtime", pairs, "Register an additional OCI compatible runtime", key="runtimes"),
        Flag("allow-direct-routing", switch, "Allow remote access to published ports", False, absent=_BRIDGE),
        Flag("authorization-plugin", many, "Authorization plugins to load", key="authorization-plugins",
             absent="authorization plugins are not supported by this engine: requests would not be checked"),
        Flag("bip", text, "IPv4 address for the default bridge", "", absent=_BRIDGE),
        Flag("bip6", text, "IPv6 address for the default bridge", "", absent=_BRIDGE),
        Flag("bridge", text, 'Attach containers to a network bridge; "none" is what there is', "none", "b",
             absent=_BRIDGE, harmless=("none", "")),
        Flag("bridge-accept-fwmark", text, "Accept packets with this firewall mark", "", absent=_BRIDGE),
        Flag("cdi-spec-dir", many, "CDI specification directories to use", key="cdi-spec-dirs",
             absent="CDI devices are not supported by this engine"),
        Flag("cgroup-parent", text, "Set parent cgroup for all containers", "/sampan"),
        Flag("config-file", text, "Daemon configuration file", "/etc/sampan/daemon.json"),
        Flag("containerd", text, "containerd grpc address", "", absent=_NO_CONTAINERD),
        Flag("containerd-namespace", text, "Containerd namespace to use", "moby", absent=_NO_CONTAINERD),
        Flag("containerd-plugins-namespace", text, "Containerd namespace for plugins", "plugins.moby",
             absent=_NO_CONTAINERD),
        Flag("cpu-rt-period", number, "Limit the CPU real-time period of the parent cgroup", 0,
             absent="real-time limits of the parent cgroup are not set by this engine"),
        Flag("cpu-rt-runtime", number, "Limit the CPU real-time runtime of the parent cgroup", 0,
             absent="real-time limits of the parent cgroup are not set by this engine"),
        Flag("cri-containerd", switch, "start containerd with cri", False, absent=_NO_CONTAINERD),
        Flag("data-root", text, "Root directory of persistent state", "/var/lib/sampan"),
        Flag("debug", switch, "Enable debug mode", False, "D"),
        Flag("default-address-pool", many, "Default address pools for local networks", key="default-address-pools",
             absent=_BRIDGE),
        Flag("default-cgroupns-mode", text, 'Default mode for containers cgroup namespace ("host" | "private")', ""),
        Flag("default-gateway", text, "Default gateway IPv4 address for the default bridge", "", absent=_BRIDGE),
        Flag("default-gateway-v6", text, "Default gateway IPv6 address for the default bridge", "", absent=_BRIDGE),
        Flag("default-ipc-mode", text, 'Default mode for containers ipc ("shareable" | "private")', "private"),
        Flag("default-network-opt", pairs, "Default network options", key="default-network-opts", absent=_BRIDGE),
        Flag("default-runtime", text, "Default OCI runtime for containers", "sampan"),
        Flag("default-shm-size", Kind.BYTES, "Default shm size for containers", 64 << 20),
        Flag("default-ulimit", pairs, "Default ulimits for containers", key="default-ulimits"),
        Flag("dns", many, "DNS server to use"),
        Flag("dns-opt", many, "DNS options to use", key="dns-opts"),
        Flag("dns-search", many, "DNS search domains to use"),
        Flag("exec-opt", many, "Runtime execution options", key="exec-opts",
             absent="the only execution option is native.cgroupdriver=cgroupfs",
             harmless=("native.cgroupdriver=cgroupfs",)),
        Flag("exec-root", text, "Root directory for execution state files", "/run/sampan"),
        Flag("experimental", switch, "Enable experimental features", False, absent="there are none in this engine"),
        Flag("feature", pairs, "Enable feature in the daemon", key="features", absent="there are none in this engine"),
        Flag("fixed-cidr", text, "IPv4 subnet for the default bridge network", "", absent=_BRIDGE),
        Flag("fixed-cidr-v6", text, "IPv6 subnet for the default bridge network", "", absent=_BRIDGE),
        Flag("group", text, "Group for the unix socket", "docker", "G"),
        Flag("help", switch, "Print usage", False),
        Flag("host", many, "Daemon socket(s) to connect to", short="H", key="hosts"),
        Flag("host-gateway-ip", text, "IP address that host-gateway in --add-host resolves to", ""),
        Flag("http-proxy", text, "HTTP proxy URL to use for outgoing traffic", "", absent=_REGISTRY),
        Flag("https-proxy", text, "HTTPS proxy URL to use for outgoing traffic", "", absent=_REGISTRY),
        Flag("icc", switch, "Enable inter-container communication for the default bridge", True, harmless=_FIREWALL),
        Flag("init", switch, "Run an init in the container to forward signals and reap processes", False),
        Flag("init-path", text, "Path to the docker-init binary", "", absent="the init is part of this engine"),
        Flag("insecure-registry", many, "Enable insecure registry communication", key="insecure-registries",
             absent=_REGISTRY),
        Flag("ip", text, "Host IP for port publishing from the default bridge network", "0.0.0.0",
             absent=_BRIDGE),
        Flag("ip-forward", switch, "Enable IP forwarding in system configuration", True, harmless=_FIREWALL),
        Flag("ip-forward-no-drop", switch, "Do not set the filter-FORWARD policy", False, harmless=_FIREWALL),
        Flag("ip-masq", switch, "Enable IP masquerading for the default bridge", True, harmless=_FIREWALL),
        Flag("ip6tables", switch, "Enable addition of ip6tables rules", True, harmless=_FIREWALL),
        Flag("iptables", switch, "Enable addition of iptables rules", True, harmless=_FIREWALL),
        Flag("ipv6", switch, "Enable IPv6 networking for the default bridge", False, absent=_BRIDGE),
        Flag("label", many, "Set key=value labels to the daemon", key="labels"),
        Flag("live-restore", switch, "Containers live on while the daemon does not; always so here", True,
             absent="containers always outlive this daemon"),
        Flag("log-driver", text, "Default driver for container logs", "json-file"),
        Flag("log-format", text, 'Set the logging format ("text"|"json")', "text",
             absent="the daemon logs key=value text only"),
        Flag("log-level", text, 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")', "info", "l"),
        Flag("log-opt", pairs, "Default log driver options for containers", key="log-opts"),
        Flag("max-concurrent-downloads", number, "Set the max concurrent downloads", 3, absent=_REGISTRY),
        Flag("max-concurrent-uploads", number, "Set the max concurrent uploads", 5, absent=_REGISTRY),
        Flag("max-download-attempts", number, "Set the max download attempts for each pull", 5, absent=_REGISTRY),
        Flag("metrics-addr", text, "Address and port to serve the metrics api on", "",
             absent="there is no metrics api in this engine"),
        Flag("mtu", number, "Set the containers network MTU", 1500, absent=_BRIDGE),
        Flag("network-control-plane-mtu", number, "Network Control plane MTU", 1500, absent=_SWARM),
        Flag("network-diagnostic-port", number, "Port of the network diagnostic server", 0, absent=_SWARM),
        Flag("no-new-privileges", switch, "Set no-new-privileges by default for new containers", False),
        Flag("no-proxy", text, "Hosts or IP addresses for which the proxy is skipped", "", absent=_REGISTRY),
        Flag("node-generic-resource", many, "Advertise user-defined resource", key="node-generic-resources",
             absent=_SWARM),
        Flag("pidfile", text, "Path to use for daemon PID file", "", "p"),
        Flag("raw-logs", switch, "Full timestamps without ANSI coloring; always so here", False,
             harmless=(True, False)),
        Flag("registry-mirror", many, "Preferred registry mirror", key="registry-mirrors", absent=_REGISTRY),
        Flag("rootless", switch, "Enable rootless mode", False,
             absent="rootless mode is not supported yet: run as root"),
        Flag("seccomp-profile", text, "Path to seccomp profile", "builtin",
             absent="another default profile is not supported yet: use --security-opt seccomp=… for each container"),
        Flag("selinux-enabled", switch, "Enable selinux support", False, absent="SELinux labels are not supported"),
        Flag("shutdown-timeout", number, "How long the daemon may take to end, in seconds", 15),
        Flag("storage-driver", text, 'Storage driver to use ("erofs" | "directory"; "" chooses)', "", "s"),
        Flag("storage-opt", many, "Storage driver options", key="storage-opts",
             absent="the storage drivers of this engine have no options"),
        Flag("swarm-default-advertise-addr", text, "Default address for swarm", "", absent=_SWARM),
        Flag("tls", switch, "Use TLS; implied by --tlsverify", False,
             absent="TLS without checking clients lets anyone in: use --tlsverify"),
        Flag("tlscacert", text, "Trust certs signed only by this CA", ""),
        Flag("tlscert", text, "Path to TLS certificate file", ""),
        Flag("tlskey", text, "Path to TLS key file", ""),
        Flag("tlsverify", switch, "Use TLS and verify the remote", False),
        Flag("userland-proxy", switch, "Use userland proxy for loopback traffic", True, harmless=_FIREWALL),
        Flag("userland-proxy-path", text, "Path to the userland proxy binary", "", absent=_BRIDGE),
        Flag("userns-remap", text, "User/Group setting for user namespaces", "",
             absent="remapping all containers' users is not supported by this engine yet"),
        Flag("validate", switch, "Validate daemon configuration and exit", False),
        Flag("version", switch, "Print version information and quit", False, "v"),
    )  # fmt: skip


FLAGS: Mapping[str, Flag] = {flag.name: flag for flag in _flags()}
SHORT: Mapping[str, Flag] = {flag.short: flag for flag in FLAGS.values() if flag.short}
BY_FILE_KEY: Mapping[str, Flag] = {flag.file_key: flag for flag in FLAGS.values()}
COMMAND_LINE_ONLY = frozenset(("config-file", "help", "validate", "version"))
