"""Do the files that the engine writes for a container say what Docker's say?"""

import os
import stat
from pathlib import Path

import pytest

from sampan.containers import files
from sampan.containers.host import Options
from sampan.containers.model import Container
from sampan.errors import InvalidRequest
from sampan.networks.mode import Mode
from sampan.networks.model import Endpoint
from sampan.wire.containers import ContainerConfig, HostConfig

HOST_RESOLVER = "# by hand\nnameserver 10.0.0.1\nsearch a.example b.example\noptions edns0 trust-ad\n"


def test_hosts_without_addresses() -> None:
    text = files.hosts(
        files.LOOPBACK, names=["h"], endpoints=[], extra=["a:1.2.3.4", "b:::1", "c:[fe80::1]"], gateway=""
    )
    assert text == files.LOOPBACK + "1.2.3.4\ta\n::1\tb\nfe80::1\tc\n"


def test_hosts_with_addresses_and_a_full_name() -> None:
    endpoint = Endpoint(
        id="e", network_id="n", container_id="c", ipv4_address="172.17.0.2/16", ipv6_address="fd00::2/64"
    )
    text = files.hosts("", names=["h.example", "h"], endpoints=[endpoint], extra=[], gateway="")
    assert text == "172.17.0.2\th.example h\nfd00::2\th.example h\n"


def test_host_gateway_needs_an_address() -> None:
    assert files.hosts("", names=[], endpoints=[], extra=["a:host-gateway"], gateway="10.0.0.9") == "10.0.0.9\ta\n"
    with pytest.raises(InvalidRequest, match="host-gateway"):
        files.hosts("", names=[], endpoints=[], extra=["a:host-gateway"], gateway="")


def test_the_hosts_resolver_is_kept_unless_something_is_asked_for() -> None:
    assert files.resolver(HOST_RESOLVER, servers=[], search=[], words=[]) == HOST_RESOLVER


def test_what_is_asked_for_takes_the_place_of_the_hosts() -> None:
    assert files.resolver(HOST_RESOLVER, servers=["9.9.9.9"], search=[], words=[]) == (
        "search a.example b.example\nnameserver 9.9.9.9\noptions edns0 trust-ad\n"
    )
    assert files.resolver(HOST_RESOLVER, servers=[], search=["."], words=["ndots:3"]) == (
        "nameserver 10.0.0.1\noptions ndots:3\n"
    )


def container(**config: str) -> Container:
    return Container(
        id="c" * 64,
        name="n",
        created_ns=1,
        image_id="",
        diff_ids=(),
        config=ContainerConfig(**config),
        host=HostConfig(),
    )  # type: ignore[arg-type]


def test_every_user_may_read_them_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        written = files.write(tmp_path, container(hostname="h"), Mode(network="none"), [], Options(directory=tmp_path))
    finally:
        os.umask(before)
    assert set(written) == {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in written.values()} == {0o644}
    assert (tmp_path / "hostname").read_text() == "h\n"


def test_a21_what_stands_in_their_place_is_not_followed(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("alive")
    directory = tmp_path / "c"
    directory.mkdir()
    for name in ("hosts", "hostname", "resolv.conf"):
        (directory / name).symlink_to(canary)
    files.write(directory, container(hostname="h"), Mode(network="none"), [], Options(directory=tmp_path))
    assert canary.read_text() == "alive"
    assert not (directory / "hosts").is_symlink()
