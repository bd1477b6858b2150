"""Flags and file become one value, or one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.daemon.config import Config, configure
from sampan.daemon.flags import FLAGS
from sampan.errors import InvalidRequest

ALONE = ["--config-file=/nonexistent"]


def from_file(tmp_path: Path, content: Any, *words: str) -> Config:
    """The settings that a configuration file and these words give."""
    path = tmp_path / "daemon.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return configure([f"--config-file={path}", *words], {})


def test_without_anything_it_is_dockerd_s_defaults_at_our_places() -> None:
    config = configure([], {})
    assert config.hosts == ("unix:///run/sampan/sampan.sock",)
    assert config.data_root == Path("/var/lib/sampan")
    assert config.pidfile == Path("/run/sampan/sampan.pid")
    assert config.default_runtime == "sampan"
    assert config.runtimes == {"sampan": "", "runc": "runc"}
    assert not config.tlsverify


def test_the_file_has_dockerd_s_keys(tmp_path: Path) -> None:
    config = from_file(
        tmp_path,
        {
            "hosts": ["unix:///a", "fd://"], "debug": True, "data-root": "/d", "labels": ["a=b"], "init": True,
            "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 2}}, "default-shm-size": "1m",
            "runtimes": {"crun": {"path": "/usr/bin/crun"}, "g": {"path": "/g", "runtimeArgs": ["--a", "b c"]}},
            "log-opts": {"max-size": "1m"},
            "storage-driver": "overlay2", "live-restore": True, "iptables": False,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
        },
    )  # fmt: skip
    assert config.hosts == ("unix:///a", "fd://")
    assert (config.debug, config.log_level, config.init) == (True, "debug", True)
    assert config.default_ulimits == {"nofile": (1, 2)}
    assert config.default_shm_size == 1 << 20
    assert (config.runtimes["crun"], config.runtimes["g"]) == ("/usr/bin/crun", "/g --a 'b c'")
    assert config.storage_driver == ""


def test_our_own_runtime_cannot_be_replaced() -> None:
    with pytest.raises(InvalidRequest, match="runtime name 'sampan' is reserved"):
        configure(["--add-runtime=sampan=/a"], {})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "invalid JSON"),
        ("[]", "does not hold a JSON object"),
        ('{"debug":true,"debug":false}', "given twice"),
        ('{"frobnicate":1}', "the following directives don't match any configuration option: frobnicate"),
        ('{"config-file":"x"}', "don't match any configuration option"),
        ('{"debug":"yes"}', "debug: a value of another type is expected"),
        ('{"hosts":"unix:///a"}', "hosts: a value of another type is expected"),
        ('{"runtimes":{"a":{"path":"/a","runtimeType":"io.containerd.a.v1"}}}', "only `path` and `runtimeArgs`"),
        ('{"runtimes":{"a":{"runtimeArgs":["-x"]}}}', "`path` must be the path of a program"),
        ('{"mtu":true}', "mtu: a value of another type is expected"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        from_file(tmp_path, content)
    assert str(caught.value).startswith(f"unable to configure the daemon with file {tmp_path}/daemon.json: ")
    assert sentence in str(caught.value)


def test_a_file_that_was_asked_for_must_be_there() -> None:
    with pytest.raises(InvalidRequest, match="no such file or directory"):
        configure(ALONE)


def test_neither_flag_nor_file_wins(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"debug: \(from flag: true, from file: false\)"):
        from_file(tmp_path, {"debug": False}, "--debug")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("--bridge=docker0", "only sampan0, the default, or none"),
        ("--registry-mirror=ftp://a", 'invalid mirror: unsupported scheme "ftp"'),
        ("--max-concurrent-downloads=0", "1 to 100 are possible"),
        ('--registries=a.example={"mirror":[]}', "registries: a.example: an object with"),
        ("--live-restore=false", "containers always outlive this daemon"),
        ("--tls", "use --tlsverify"),
        ("--exec-opt=native.cgroupdriver=systemd", "native.cgroupdriver=cgroupfs"),
        ("--userns-remap=nobody-like-this", "no subuid ranges found"),
        ("--mtu=14", "invalid MTU number"),
        ("--storage-driver=zfs", "not known; there is erofs, directory, overlay2"),
        ("--log-driver=gelf", "not known"),
        ("--default-runtime=kata", "not known"),
        ("--data-root=relative", "an absolute path is expected"),
        ("--label=bad", "bad attribute format: bad"),
        ("--default-ulimit=nofile=5:1", "soft limit must be less"),
        ("--tlsverify", "could not read"),
    ],
)
def test_what_has_no_effect_is_refused_with_its_reason(word: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        configure([word], {"HOME": "/nonexistent"})
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "name", [name for name, flag in FLAGS.items() if flag.absent and flag.default not in (None, "")]
)
def test_a_default_that_is_spelled_out_asks_for_nothing(name: str) -> None:
    value = FLAGS[name].default
    configure([f"--{name}={str(value).lower() if isinstance(value, bool) else value}"], {})
