"""What do tests of networks ask of an engine and of its host? The host is a network namespace, the tests' own."""

import os
import socket
from collections.abc import Callable
from typing import TypeVar

from engine import Client
from expect import IMAGE
from sampan.linux import netns

T = TypeVar("T")
MARK = f"t{os.getpid()}"


class Networked:
    """An engine, and its host: the network namespace in which it publishes ports and makes bridges."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.docker = client.docker
        self.sampan = client.sampan
        self._namespace = namespace

    def on_host(self, work: Callable[[], T]) -> T:
        """What `work` returns when it is called in the host's network namespace."""
        fd = netns.open_of(self._namespace)
        try:
            return netns.inside(fd, work)
        finally:
            os.close(fd)

    def says(self, *arguments: str, timeout: float = 60) -> str:
        """The standard output of a docker command that must succeed."""
        done = self.docker(*arguments, timeout=timeout)
        assert done.code == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def up(self, name: str, *flags: str, command: tuple[str, ...] = ("sleep", "1000")) -> str:
        """A container that runs; its full id."""
        return self.says("run", "-d", "--name", f"{MARK}-{name}", *flags, IMAGE, *command)

    def inside(self, name: str, script: str) -> str:
        """What a shell in a container says, whatever comes of it."""
        done = self.docker("exec", f"{MARK}-{name}", "sh", "-c", script)
        return (done.stdout + done.stderr).strip()

    def reads(self, address: str, port: int, seconds: float = 3) -> bytes | None:
        """What a server says to the host when it connects; None when there is no connection."""
        try:
            with self.on_host(lambda: socket.create_connection((address, port), seconds)) as connection:
                connection.settimeout(seconds)
                return connection.recv(100)
        except OSError:
            return None

    def clear(self) -> None:
        """Remove the containers and networks of this run of the tests."""
        made = self.docker("ps", "-aq", "--filter", f"name={MARK}-").stdout.split()
        if made:
            self.docker("rm", "-f", "-v", *made)
        networks = self.docker("network", "ls", "-q", "--filter", f"name={MARK}-").stdout.split()
        if networks:
            self.docker("network", "rm", *networks)
