"""What the service manager hears."""

import os
import socket
from pathlib import Path

import pytest

from sampan.daemon import notify


def test_ready_is_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        notify.ready()
        assert manager.recv(1000).decode().splitlines()[:2] == ["READY=1", f"MAINPID={os.getpid()}"]
        notify.stopping()
        assert manager.recv(1000) == b"STOPPING=1"


def test_an_abstract_address_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")  # the kernel picks an abstract name
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + manager.getsockname()[1:].decode())
        notify.tell("WATCHDOG=1")
        assert manager.recv(1000) == b"WATCHDOG=1"


def test_nobody_listening_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nonexistent/socket")
    notify.ready()
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify.ready()
