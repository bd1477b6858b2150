"""What a body meant in its client's version."""

import pytest

from sampan.api import compatibility
from sampan.errors import InvalidRequest
from sampan.wire.containers import (
    ContainerConfig,
    ContainerCreate,
    EndpointSettings,
    HealthConfig,
    HostConfig,
    NetworkingConfig,
)
from sampan.wire.mounts import BindOptions, Mount, TmpfsOptions, VolumeOptions
from sampan.wire.versions import NEWEST, Version


def host_of(version: Version, host: HostConfig) -> HostConfig:
    """The host configuration that the engine sees."""
    body, _ = compatibility.create(ContainerCreate(host_config=host), version)
    return body.host_config


def test_today_a_body_means_what_it_says() -> None:
    host = HostConfig(auto_remove=True, annotations={"a": "b"}, console_size=(1, 2), pids_limit=5)
    assert host_of(NEWEST, host) == host


@pytest.mark.parametrize(
    ("version", "given", "meant"),
    [
        (Version(1, 24), HostConfig(auto_remove=True), False),
        (Version(1, 25), HostConfig(auto_remove=True), True),
    ],
)
def test_clients_before_1_25_removed_themselves(version: Version, given: HostConfig, meant: bool) -> None:
    assert host_of(version, given).auto_remove is meant


def test_defaults_that_changed_are_the_old_ones() -> None:
    assert host_of(Version(1, 39), HostConfig()).ipc_mode == "shareable"
    assert host_of(Version(1, 40), HostConfig()).ipc_mode == ""
    assert host_of(Version(1, 40), HostConfig()).cgroupns_mode == "host"
    assert host_of(Version(1, 41), HostConfig(cgroupns_mode="")).cgroupns_mode == ""


def test_fields_that_a_version_did_not_have_are_ignored() -> None:
    host = HostConfig(console_size=(1, 2), annotations={"a": "b"})
    assert host_of(Version(1, 41), host).console_size == (0, 0)
    assert host_of(Version(1, 42), host).annotations is None
    config = ContainerConfig(healthcheck=HealthConfig(start_interval=5))
    body, _ = compatibility.create(ContainerCreate(config=config), Version(1, 43))
    assert body.config.healthcheck == HealthConfig()


@pytest.mark.parametrize("limit", [0, -1, -5])
def test_no_pids_limit_has_many_spellings(limit: int) -> None:
    assert host_of(NEWEST, HostConfig(pids_limit=limit)).pids_limit is None
    assert compatibility.update(HostConfig(pids_limit=limit), NEWEST).pids_limit == 0
    assert compatibility.update(HostConfig(), NEWEST).pids_limit is None


def test_options_of_another_kind_of_mount() -> None:
    host = HostConfig(mounts=[Mount(type="bind", target="/a", tmpfs_options=TmpfsOptions(size_bytes=5))])
    with pytest.raises(InvalidRequest, match='TmpfsOptions must not be specified on mount type "bind"'):
        host_of(Version(1, 42), host)
    (mount,) = host_of(Version(1, 41), host).mounts or ()
    assert mount.tmpfs_options is None


def test_read_only_was_not_recursive_before_1_44() -> None:
    def options(version: Version, **wishes: bool) -> BindOptions | None:
        mount = Mount(type="bind", target="/a", read_only=True, bind_options=BindOptions(**wishes))
        (found,) = host_of(version, HostConfig(mounts=[mount])).mounts or ()
        return found.bind_options

    assert options(Version(1, 43)) == BindOptions(read_only_non_recursive=True)
    assert options(Version(1, 44)) == BindOptions()
    with pytest.raises(InvalidRequest, match="needs API v1"):
        options(Version(1, 43), read_only_force_recursive=True)


def test_a_subpath_is_never_dropped_silently() -> None:
    host = HostConfig(mounts=[Mount(type="volume", target="/a", volume_options=VolumeOptions(subpath="x"))])
    with pytest.raises(InvalidRequest, match="Subpath needs API"):
        host_of(Version(1, 44), host)


def test_several_networks_need_1_44() -> None:
    networking = NetworkingConfig(endpoints_config={"a": EndpointSettings(), "b": EndpointSettings()})
    with pytest.raises(InvalidRequest, match="multiple network endpoints: a, b"):
        compatibility.create(ContainerCreate(networking_config=networking), Version(1, 43))


def test_before_dns_names_the_short_id_was_an_alias() -> None:
    def shown() -> dict[str, object]:
        networks = {
            "n": {"Aliases": ["a"], "DNSNames": ["c", "a", "0123456789ab"]},
            "bridge": {"Aliases": None, "DNSNames": None},
        }
        return {"Id": "0123456789abcdef", "NetworkSettings": {"Networks": networks}}

    assert compatibility.inspect(shown(), NEWEST) == shown()
    old = compatibility.inspect(shown(), Version(1, 44))["NetworkSettings"]["Networks"]
    assert old["n"]["Aliases"] == ["a", "0123456789ab"]
    assert old["bridge"]["Aliases"] is None
