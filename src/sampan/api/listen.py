"""Where does the engine listen, and who may connect?

`unix://PATH`: mode 0660, owned by root and the docker group; whoever may write to it is root on this machine.
`tcp://HOST:PORT`: only with certificates on both sides. `fd://`: what systemd has bound (sd_listen_fds(3)).

The socket is made under a umask that leaves it to root alone, and opened to the group by chmod(2) when it has its
owner: at no moment can anybody else connect.
"""

import grp
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sampan.errors import Conflict, InvalidRequest

BACKLOG = 4096
FIRST_PASSED_FD = 3
DEFAULT_TCP_HOST = "127.0.0.1"
DEFAULT_TLS_PORT = 2376
_LONGEST_PATH = 107


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound, listening, non-blocking socket. `path` is a unix socket of ours, to be removed at the end."""

    socket: socket.socket
    address: str
    encrypted: bool = False
    path: str = ""


def open_listeners(hosts: Sequence[str], *, group: str, default_path: str, has_tls: bool) -> list[Listener]:
    """Listen on every host, in order. Raises InvalidRequest, Conflict or OSError; then nothing stays open."""
    opened: list[Listener] = []
    try:
        for host in hosts:
            opened += _open(host, group=group, default_path=default_path, has_tls=has_tls)
    except BaseException:
        close_listeners(opened)
        raise
    return opened


def close_listeners(listeners: Sequence[Listener]) -> None:
    """Stop listening and remove the unix sockets."""
    for listener in listeners:
        listener.socket.close()
        if listener.path:
            Path(listener.path).unlink(missing_ok=True)


def _open(host: str, *, group: str, default_path: str, has_tls: bool) -> list[Listener]:
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = "tcp", host
    if scheme == "unix":
        return [_unix(rest or default_path, group)]
    if scheme == "tcp":
        return [_tcp(rest, host, has_tls=has_tls)]
    if scheme == "fd":
        return _passed(rest)
    raise InvalidRequest(f"invalid bind address ({host}): unsupported proto '{scheme}'")


def _unix(path: str, group: str) -> Listener:
    if not path.startswith("/"):
        raise InvalidRequest(f"invalid bind address (unix://{path}): the path of a socket is absolute")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise InvalidRequest(f"invalid bind address (unix://{path}): more than {_LONGEST_PATH} bytes (unix(7))")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        listening.bind(path)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    if os.geteuid() == 0:
        os.chown(path, 0, _group_id(group))
        os.chmod(path, 0o660)
    listening.listen(BACKLOG)
    return Listener(listening, f"unix://{path}", path=path)


def _clear(path: str) -> None:
    """Remove the socket of a daemon that is gone. Raises Conflict for one that answers, and for any other file."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Conflict(f"can't create unix socket {path}: a file of that name is in the way")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise Conflict(f"can't create unix socket {path}: a daemon is listening on it")


def _group_id(name: str) -> int:
    """The group for the socket: the one asked for, else docker's, else root's."""
    for candidate in (name, "docker", "sampan"):
        if candidate.isdigit():
            return int(candidate)
        try:
            return grp.getgrnam(candidate).gr_gid
        except KeyError:
            continue
    return 0


def _tcp(rest: str, host: str, *, has_tls: bool) -> Listener:
    if not has_tls:
        raise InvalidRequest(
            f"will not listen on {host} without --tlsverify: whoever can connect to the API is root on this machine. "
            "Use --tlsverify with --tlscacert, --tlscert and --tlskey, or ssh:// from the client"
        )
    address, _, port_text = rest.rpartition(":") if ":" in rest.rpartition("]")[2] else (rest, "", "")
    if port_text and not (port_text.isascii() and port_text.isdigit() and int(port_text) < 1 << 16):
        raise InvalidRequest(f"invalid bind address ({host}): invalid port {port_text!r}")
    name, port = address.strip("[]") or DEFAULT_TCP_HOST, int(port_text or DEFAULT_TLS_PORT)
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    listening = socket.create_server((name, port), family=family, backlog=BACKLOG)
    listening.setblocking(False)
    return Listener(listening, f"tcp://{name}:{port}", encrypted=True)


def _passed(rest: str) -> list[Listener]:
    """The sockets that the service manager passed to this very process; `fd://` all of them, `fd://3` one."""
    count = int(os.environ.get("LISTEN_FDS", "0")) if os.environ.get("LISTEN_PID") == str(os.getpid()) else 0
    numbers = list(range(FIRST_PASSED_FD, FIRST_PASSED_FD + count))
    if rest not in ("", "*"):
        numbers = [number for number in numbers if str(number) == rest]
    if not numbers:
        raise InvalidRequest(
            f"no sockets found via socket activation for fd://{rest}: make sure the service manager passes one"
        )
    passed = []
    for number in numbers:
        listening = socket.socket(fileno=number)
        listening.setblocking(False)
        os.set_inheritable(number, False)
        if listening.family != socket.AF_UNIX:
            raise InvalidRequest(f"fd://{number} is not a unix socket: TCP is served only by tcp:// with --tlsverify")
        passed.append(Listener(listening, f"fd://{number}"))
    return passed
