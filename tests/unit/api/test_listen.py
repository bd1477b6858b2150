"""Who may connect, from the first moment on (G01)."""

import os
import socket
import stat
from pathlib import Path

import pytest

from sampan.api.listen import Listener, close_listeners, open_listeners
from sampan.errors import Conflict, InvalidRequest


def opened(*hosts: str, has_tls: bool = False) -> list[Listener]:
    """Listeners as the daemon opens them."""
    return open_listeners(hosts, group="0", default_path="/nonexistent/s", has_tls=has_tls)


def test_a_unix_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    before = os.umask(0)  # the worst that a caller can do
    try:
        (listener,) = opened(f"unix://{tmp_path}/d/s")
    finally:
        os.umask(before)
    status = os.stat(tmp_path / "d" / "s")
    assert stat.S_IMODE(status.st_mode) == (0o660 if os.geteuid() == 0 else 0o600)
    close_listeners([listener])
    assert not (tmp_path / "d" / "s").exists()


def test_a_dead_daemon_s_socket_is_replaced_and_a_living_one_s_is_not(tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    (listener,) = opened(f"unix://{path}")
    with pytest.raises(Conflict, match="a daemon is listening on it"):
        opened(f"unix://{path}")
    close_listeners([listener])


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")
    with pytest.raises(Conflict, match="a file of that name is in the way"):
        opened(f"unix://{tmp_path}/s")
    assert (tmp_path / "s").read_text() == "precious"


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:0", "tcp://", "0.0.0.0:2375", "tcp://[::]:1"])
def test_tcp_without_certificates_is_refused(host: str) -> None:
    with pytest.raises(InvalidRequest, match="without --tlsverify: whoever can connect to the API is root"):
        opened(host)


@pytest.mark.parametrize(
    "host",
    ["npipe:////./pipe/x", "http://a", "tcp://a:port", "tcp://a:70000", "unix://rel", "unix:///" + "a" * 120, "fd://"],
)
def test_other_addresses_are_refused(host: str) -> None:
    with pytest.raises(InvalidRequest):
        opened(host, has_tls=True)


def test_what_was_opened_before_a_failure_is_closed(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        opened(f"unix://{tmp_path}/s", "http://a")
    assert not (tmp_path / "s").exists()


def test_tcp_with_certificates_is_encrypted() -> None:
    (listener,) = opened("tcp://127.0.0.1:0", has_tls=True)
    assert listener.encrypted
    close_listeners([listener])
