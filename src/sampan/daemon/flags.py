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


_BRIDGE = "this setting of bridge networks is not supported by this engine"
_SWARM = "swarm mode is not supported by this engine"
_NO_CONTAINERD = "there is no containerd in this engine"
_FIREWALL = (True, False)  # one table serves IPv4 and IPv6, and policies of other tables are never touched


_SWITCH, _TEXT, _NUMBER, _MANY, _PAIRS = Kind.SWITCH, Kind.TEXT, Kind.NUMBER, Kind.LIST, Kind.MAP
_TABLE = (
    Flag("add-runtime", _PAIRS, "Register an additional OCI compatible runtime", key="runtimes"),
    Flag("allow-direct-routing", _SWITCH, "Allow remote access to published ports", False, absent=_BRIDGE),
    Flag("authorization-plugin", _MANY, "Authorization plugins to load", key="authorization-plugins",
         absent="authorization plugins are not supported by this engine: requests would not be checked"),
    Flag("bip", _TEXT, "IPv4 address for the default bridge", ""),
    Flag("bip6", _TEXT, "IPv6 address for the default bridge", ""),
    Flag("bridge", _TEXT, 'Attach containers to a network bridge; "none": to none by default', "", "b",
         absent="only sampan0, the default, or none can be the default bridge", harmless=("none", "", "sampan0")),
    Flag("bridge-accept-fwmark", _TEXT, "Accept packets with this firewall mark", "", absent=_BRIDGE),
    Flag("cdi-spec-dir", _MANY, "CDI specification directories to use", key="cdi-spec-dirs"),
    Flag("cgroup-parent", _TEXT, "Set parent cgroup for all containers", "/sampan"),
    Flag("config-file", _TEXT, "Daemon configuration file", "/etc/sampan/daemon.json"),
    Flag("containerd", _TEXT, "containerd grpc address", "", absent=_NO_CONTAINERD),
    Flag("containerd-namespace", _TEXT, "Containerd namespace to use", "moby", absent=_NO_CONTAINERD),
    Flag("containerd-plugins-namespace", _TEXT, "Containerd namespace for plugins", "plugins.moby",
         absent=_NO_CONTAINERD),
    Flag("cpu-rt-period", _NUMBER, "Limit the CPU real-time period of the parent cgroup", 0,
         absent="real-time limits of the parent cgroup are not set by this engine"),
    Flag("cpu-rt-runtime", _NUMBER, "Limit the CPU real-time runtime of the parent cgroup", 0,
         absent="real-time limits of the parent cgroup are not set by this engine"),
    Flag("cri-containerd", _SWITCH, "start containerd with cri", False, absent=_NO_CONTAINERD),
    Flag("data-root", _TEXT, "Root directory of persistent state", "/var/lib/sampan"),
    Flag("debug", _SWITCH, "Enable debug mode", False, "D"),
    Flag("default-address-pool", _MANY, "Default address pools for local networks", key="default-address-pools"),
    Flag("default-cgroupns-mode", _TEXT, 'Default mode for containers cgroup namespace ("host" | "private")', ""),
    Flag("default-gateway", _TEXT, "Default gateway IPv4 address for the default bridge", ""),
    Flag("default-gateway-v6", _TEXT, "Default gateway IPv6 address for the default bridge", "", absent=_BRIDGE),
    Flag("default-ipc-mode", _TEXT, 'Default mode for containers ipc ("shareable" | "private")', "private"),
    Flag("default-network-opt", _PAIRS, "Default network options", key="default-network-opts"),
    Flag("default-runtime", _TEXT, "Default OCI runtime for containers", "sampan"),
    Flag("default-shm-size", Kind.BYTES, "Default shm size for containers", 64 << 20),
    Flag("default-ulimit", _PAIRS, "Default ulimits for containers", key="default-ulimits"),
    Flag("dns", _MANY, "DNS server to use"),
    Flag("dns-opt", _MANY, "DNS options to use", key="dns-opts"),
    Flag("dns-search", _MANY, "DNS search domains to use"),
    Flag("exec-opt", _MANY, "Runtime execution options", key="exec-opts",
         absent="the only execution option is native.cgroupdriver=cgroupfs",
         harmless=("native.cgroupdriver=cgroupfs",)),
    Flag("exec-root", _TEXT, "Root directory for execution state files", "/run/sampan"),
    Flag("experimental", _SWITCH, "Enable experimental features", False, absent="there are none in this engine"),
    Flag("feature", _PAIRS, "Enable feature in the daemon", key="features", absent="there are none in this engine"),
    Flag("fixed-cidr", _TEXT, "IPv4 subnet for the default bridge network", ""),
    Flag("fixed-cidr-v6", _TEXT, "IPv6 subnet for the default bridge network", ""),
    Flag("group", _TEXT, "Group for the unix socket", "docker", "G"),
    Flag("help", _SWITCH, "Print usage", False),
    Flag("host", _MANY, "Daemon socket(s) to connect to", short="H", key="hosts"),
    Flag("host-gateway-ip", _TEXT, "IP address that host-gateway in --add-host resolves to", ""),
    Flag("http-proxy", _TEXT, "HTTP proxy URL to use for outgoing traffic", ""),
    Flag("https-proxy", _TEXT, "HTTPS proxy URL to use for outgoing traffic", ""),
    Flag("icc", _SWITCH, "Enable inter-container communication for the default bridge", True),
    Flag("init", _SWITCH, "Run an init in the container to forward signals and reap processes", False),
    Flag("init-path", _TEXT, "Path to the docker-init binary", "", absent="the init is part of this engine"),
    Flag("insecure-registry", _MANY, "Enable insecure registry communication", key="insecure-registries"),
    Flag("ip", _TEXT, "Host IP for port publishing from the default bridge network", "0.0.0.0"),
    Flag("ip-forward", _SWITCH, "Enable IP forwarding in system configuration", True),
    Flag("ip-forward-no-drop", _SWITCH, "Let the host forward for others than containers, too", False),
    Flag("ip-masq", _SWITCH, "Enable IP masquerading for the default bridge", True),
    Flag("ip6tables", _SWITCH, "Enable addition of ip6tables rules", True, harmless=_FIREWALL),
    Flag("iptables", _SWITCH, "Enable addition of iptables rules", True),
    Flag("ipv6", _SWITCH, "Enable IPv6 networking for the default bridge", False),
    Flag("label", _MANY, "Set key=value labels to the daemon", key="labels"),
    Flag("live-restore", _SWITCH, "Containers live on while the daemon does not; always so here", True,
         absent="containers always outlive this daemon"),
    Flag("log-driver", _TEXT, "Default driver for container logs", "json-file"),
    Flag("log-format", _TEXT, 'Set the logging format ("text"|"json")', "text",
         absent="the daemon logs key=value text only"),
    Flag("log-level", _TEXT, 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")', "info", "l"),
    Flag("log-opt", _PAIRS, "Default log driver options for containers", key="log-opts"),
    Flag("max-concurrent-downloads", _NUMBER, "Set the max concurrent downloads", 3),
    Flag("max-concurrent-uploads", _NUMBER, "Set the max concurrent uploads", 5),
    Flag("max-download-attempts", _NUMBER, "Set the max download attempts for each pull", 5),
    Flag("metrics-addr", _TEXT, "HOST:PORT or unix:///PATH to serve the metrics api on", ""),
    Flag("mtu", _NUMBER, "Set the containers network MTU", 1500),
    Flag("network-control-plane-mtu", _NUMBER, "Network Control plane MTU", 1500, absent=_SWARM),
    Flag("network-diagnostic-port", _NUMBER, "Port of the network diagnostic server", 0, absent=_SWARM),
    Flag("no-new-privileges", _SWITCH, "Set no-new-privileges by default for new containers", False),
    Flag("no-proxy", _TEXT, "Hosts or IP addresses for which the proxy is skipped", ""),
    Flag("node-generic-resource", _MANY, "Advertise user-defined resource", key="node-generic-resources",
         absent=_SWARM),
    Flag("pidfile", _TEXT, "Path to use for daemon PID file", "", "p"),
    Flag("raw-logs", _SWITCH, "Full timestamps without ANSI coloring; always so here", False,
         harmless=(True, False)),
    Flag("registry-mirror", _MANY, "Preferred registry mirror", key="registry-mirrors"),
    Flag("registries", _PAIRS, "Settings of single registries, as JSON: mirrors, insecure, token-realms"),
    Flag("registry-certs-dir", _TEXT, "Where certificates for registries are, by HOST:PORT", "/etc/docker/certs.d"),
    Flag("rootless", _SWITCH, "Enable rootless mode", False,
         absent="rootless mode is not supported yet: run as root"),
    Flag("seccomp-profile", _TEXT, "Path to seccomp profile", "builtin"),
    Flag("selinux-enabled", _SWITCH, "Enable selinux support", False, absent="SELinux labels are not supported"),
    Flag("shutdown-timeout", _NUMBER, "How long the daemon may take to end, in seconds", 15),
    Flag("storage-driver", _TEXT, 'Storage driver to use ("erofs" | "directory"; "" chooses)', "", "s"),
    Flag("storage-opt", _MANY, "Storage driver options", key="storage-opts",
         absent="the storage drivers of this engine have no options"),
    Flag("swarm-default-advertise-addr", _TEXT, "Default address for swarm", "", absent=_SWARM),
    Flag("tls", _SWITCH, "Use TLS; implied by --tlsverify", False,
         absent="TLS without checking clients lets anyone in: use --tlsverify"),
    Flag("tlscacert", _TEXT, "Trust certs signed only by this CA", ""),
    Flag("tlscert", _TEXT, "Path to TLS certificate file", ""),
    Flag("tlskey", _TEXT, "Path to TLS key file", ""),
    Flag("tlsverify", _SWITCH, "Use TLS and verify the remote", False),
    Flag("userland-proxy", _SWITCH, "Use userland proxy for loopback traffic", True),
    Flag("userland-proxy-path", _TEXT, "Path to the userland proxy binary", "", absent=_BRIDGE),
    Flag("userns-remap", _TEXT, "User/Group setting for user namespaces", ""),
    Flag("validate", _SWITCH, "Validate daemon configuration and exit", False),
    Flag("version", _SWITCH, "Print version information and quit", False, "v"),
)  # fmt: skip

FLAGS: Mapping[str, Flag] = {flag.name: flag for flag in _TABLE}
SHORT: Mapping[str, Flag] = {flag.short: flag for flag in FLAGS.values() if flag.short}
BY_FILE_KEY: Mapping[str, Flag] = {flag.file_key: flag for flag in FLAGS.values()}
COMMAND_LINE_ONLY = frozenset(("config-file", "help", "validate", "version"))
