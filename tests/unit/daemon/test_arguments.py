"""dockerd's flags, by pflag's rules."""

import re

import pytest

from sampan.daemon.arguments import parse, read_bytes, usage
from sampan.daemon.flags import FLAGS
from sampan.errors import InvalidRequest

# `dockerd --help` of 28.2, the names alone.
DOCKERD = re.findall(
    r"\S+",
    """add-runtime allow-direct-routing authorization-plugin bip bip6 bridge bridge-accept-fwmark cdi-spec-dir
cgroup-parent config-file containerd containerd-namespace containerd-plugins-namespace cpu-rt-period cpu-rt-runtime
cri-containerd data-root debug default-address-pool default-cgroupns-mode default-gateway default-gateway-v6
default-ipc-mode default-network-opt default-runtime default-shm-size default-ulimit dns dns-opt dns-search exec-opt
exec-root experimental feature fixed-cidr fixed-cidr-v6 group help host host-gateway-ip http-proxy https-proxy icc init
init-path insecure-registry ip ip-forward ip-forward-no-drop ip-masq ip6tables iptables ipv6 label live-restore
log-driver log-format log-level log-opt max-concurrent-downloads max-concurrent-uploads max-download-attempts
metrics-addr mtu network-control-plane-mtu no-new-privileges no-proxy node-generic-resource pidfile raw-logs
registry-mirror rootless seccomp-profile selinux-enabled shutdown-timeout storage-driver storage-opt
swarm-default-advertise-addr tls tlscacert tlscert tlskey tlsverify userland-proxy userland-proxy-path userns-remap
validate version""",
)


def test_every_flag_of_dockerd_is_known() -> None:
    assert set(DOCKERD) <= FLAGS.keys()


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--debug"], {"debug": True}),
        (["-D"], {"debug": True}),
        (["--debug=false"], {"debug": False}),
        (["-H", "unix:///a", "-Hfd://", "--host=tcp://b"], {"host": ["unix:///a", "fd://", "tcp://b"]}),
        (["-DHfd://"], {"debug": True, "host": ["fd://"]}),
        (["--data-root", "/x", "--mtu=5"], {"data-root": "/x", "mtu": 5}),
        (["--log-opt", "max-size=1m", "--log-opt=max-file=2"], {"log-opt": {"max-size": "1m", "max-file": "2"}}),
        (["--default-shm-size=64m"], {"default-shm-size": 64 << 20}),
        (["-p=/a"], {"pidfile": "/a"}),
    ],
)
def test_values_are_read_as_pflag_reads_them(words: list[str], values: dict[str, object]) -> None:
    assert parse(words) == values


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--frobnicate"], "unknown flag: --frobnicate"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["--host"], "flag needs an argument: --host"),
        (["-H"], "flag needs an argument: 'H' in -H"),
        (["--debug=maybe"], 'invalid argument "maybe" for "--debug" flag'),
        (["--mtu=big"], 'invalid argument "big" for "--mtu" flag'),
        (["word"], "accepts no arguments"),
        (["--debug", "false"], "accepts no arguments"),
    ],
)
def test_what_cannot_be_read_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(words)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"), [("5", 5), ("1k", 1024), ("1.5M", 3 << 19), ("2gb", 2 << 30), ("1MiB", 1 << 20)]
)
def test_sizes(text: str, size: int) -> None:
    assert read_bytes(text) == size


def test_usage_shows_what_has_an_effect() -> None:
    assert "-H, --host list" in usage()
    assert "--tlsverify" in usage()
    assert "--rootless" not in usage()
