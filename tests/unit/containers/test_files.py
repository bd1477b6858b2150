"""Do the files that the engine writes for a container say what Docker's say?"""

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sampan.containers import files
from sampan.containers.engine import Engine
from sampan.containers.host import Options
from sampan.containers.model import Container
from sampan.errors import InvalidRequest
from sampan.networks.mode import Mode
from sampan.networks.model import Endpoint
from sampan.networks.resolvers import Resolvers
from sampan.networks.store import Networks
from sampan.wire.containers import ContainerConfig, EndpointSettings, HostConfig

ENDPOINT = Endpoint(id="e", network_id="n", container_id="c", ipv4_address="172.17.0.2/16", ipv6_address="fd00::2/64")


def engine(root: Path) -> Engine:
    """As much of an engine as the files need."""
    return cast(
        Engine,
        SimpleNamespace(
            directory=lambda container_id: root / "c",
            options=Options(directory=root),
            networks=Networks("engine"),
            resolvers=Resolvers(),
        ),
    )


def container(**config: str) -> Container:
    return Container(
        id="c" * 64,
        name="n",
        created_ns=1,
        image_id="",
        diff_ids=(),
        config=ContainerConfig(**config),  # type: ignore[arg-type]
        host=HostConfig(),
        networks={"none": EndpointSettings()},
    )


def test_hosts_without_addresses() -> None:
    text = files.hosts(
        files.LOOPBACK, names=["h"], endpoints=[], extra=["a:1.2.3.4", "b:::1", "c:[fe80::1]"], gateways=[]
    )
    assert text == files.LOOPBACK + "1.2.3.4\ta\n::1\tb\nfe80::1\tc\n"


def test_hosts_with_addresses_links_and_a_full_name() -> None:
    text = files.hosts(
        "", names=["h.example", "h"], endpoints=[ENDPOINT], extra=[], gateways=[], linked=["172.17.0.3\tdb\n"]
    )
    assert text == "172.17.0.3\tdb\n172.17.0.2\th.example h\nfd00::2\th.example h\n"


def test_host_gateway_needs_an_address() -> None:
    text = files.hosts("", names=[], endpoints=[], extra=["a:host-gateway"], gateways=["10.0.0.9", "fd00::1"])
    assert text == "10.0.0.9\ta\nfd00::1\ta\n"
    with pytest.raises(InvalidRequest, match="host-gateway"):
        files.hosts("", names=[], endpoints=[], extra=["a:host-gateway"], gateways=[])


def test_every_user_may_read_them_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    before = os.umask(0o077)
    try:
        written = files.write(engine(tmp_path), container(hostname="h"), Mode(network="none"), [])
    finally:
        os.umask(before)
    assert set(written) == {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in written.values()} == {0o644}
    assert (tmp_path / "c" / "hostname").read_text() == "h\n"


def test_a21_what_stands_in_their_place_is_not_followed(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("alive")
    directory = tmp_path / "c"
    directory.mkdir()
    for name in ("hosts", "hostname", "resolv.conf"):
        (directory / name).symlink_to(canary)
    files.write(engine(tmp_path), container(hostname="h"), Mode(network="none"), [])
    assert canary.read_text() == "alive"
    assert not (directory / "hosts").is_symlink()


def test_an_address_comes_and_goes_and_edits_stay(tmp_path: Path) -> None:
    """The container is bound to the file's inode, and may have written into it."""
    (tmp_path / "c").mkdir()
    some = engine(tmp_path)
    files.write(some, container(hostname="h"), Mode(network="none"), [])
    path = tmp_path / "c" / "hosts"
    inode = path.stat().st_ino
    with path.open("a") as file:
        file.write("1.2.3.4\tby-hand\n")
    files.joined(some, container(hostname="h"), ENDPOINT)
    assert path.read_text().endswith("1.2.3.4\tby-hand\n172.17.0.2\th\nfd00::2\th\n")
    files.left(some, container(hostname="h"), ENDPOINT)
    assert path.read_text() == files.LOOPBACK + "1.2.3.4\tby-hand\n"
    assert path.stat().st_ino == inode


def test_a_file_that_a_container_blew_up_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    path = tmp_path / "c" / "hosts"
    path.write_bytes(b"x" * (files.EDITED_BYTES + 1))
    files.joined(engine(tmp_path), container(hostname="h"), ENDPOINT)
    assert path.stat().st_size == files.EDITED_BYTES + 1
    path.unlink()
    path.symlink_to(tmp_path / "canary")
    with pytest.raises(OSError, match="symbolic links"):
        files.joined(engine(tmp_path), container(hostname="h"), ENDPOINT)
