"""How do the steps of a build reach the SSH agents of this machine?

The engine asks over a connection of its own (`wire/ssh_agent.py`), one question after the other, and a thread passes
each on to the agent's socket, or answers it with a private key from a file. Keys and agents stay here.
"""

from __future__ import annotations

import os
import socket
import stat
import threading

from sampan.cli.command import Failure
from sampan.client.engine import Engine
from sampan.wire.ssh_agent import FAILURE, HEAD, LENGTH, MESSAGE_MAX, SIZE_MAX, answer, may_ask, parse_question

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.client.tls import TlsSocket

    Agent = Callable[[bytes], bytes]
    """Answers one message of the agent protocol."""

SECONDS = 100.0  # somebody may have to touch a key


def agents_of(texts: list[str]) -> dict[str, Agent]:
    """`default|ID[=SOCKET|KEY[,KEY…]]`: who answers, by id. Raises Failure."""
    found: dict[str, Agent] = {}
    for text in texts:
        name, _, places = text.partition("=")
        paths = [path for path in places.split(",") if path] or [os.environ.get("SSH_AUTH_SOCK", "")]
        if not paths[0]:
            raise Failure(f"invalid empty ssh agent socket for --ssh {text}: make sure SSH_AUTH_SOCK is set")
        if name in found or not name:
            raise Failure(f"invalid value {text!r} for --ssh: each agent has an id of its own, such as default")
        found[name] = _agent(name, paths)
    return found


def _agent(name: str, paths: list[str]) -> Agent:
    try:
        sockets = [path for path in paths if stat.S_ISSOCK(os.stat(path).st_mode)]
    except OSError as error:
        raise Failure(f"--ssh {name}: {error.filename}: {(error.strerror or '').lower()}") from None
    if not sockets:
        from sampan.client.ssh_keys import Keys

        return Keys(paths).answer
    if len(paths) > 1:
        raise Failure(f"--ssh {name}: only a single socket is allowed, or keys")
    return lambda message: _asked(sockets[0], message)


def _asked(path: str, message: bytes) -> bytes:
    """What the agent behind a socket answers; a failure when nobody is there."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(SECONDS)
            agent.connect(path)
            agent.sendall(LENGTH.pack(len(message)) + message)
            (size,) = LENGTH.unpack(_exactly(agent, LENGTH.size))
            return _exactly(agent, size) if 0 < size <= MESSAGE_MAX else FAILURE
    except OSError:
        return FAILURE


def speak_for(agents: Mapping[str, Agent], engine: Engine, word: str) -> None:
    """Answer for these agents, in a thread, until the engine hangs up."""
    connection, first = engine.upgrade("/build/agents", {"inputs": word}).hijack()
    threading.Thread(target=_speak, args=(agents, connection, first), daemon=True).start()


def _speak(agents: Mapping[str, Agent], connection: socket.socket | TlsSocket, first: bytes) -> None:
    try:
        while True:
            number, size = HEAD.unpack(_exactly(connection, HEAD.size, first))
            first = first[HEAD.size :]
            if size > SIZE_MAX:
                return
            name, message = parse_question(_exactly(connection, size, first))
            first = first[size:]
            agent = agents.get(name)
            said = agent(message) if agent and may_ask(message) else FAILURE
            connection.sendall(answer(number, said))
    except (OSError, ValueError):
        pass  # the build is over, one way or the other
    finally:
        connection.close()


def _exactly(connection: socket.socket | TlsSocket, size: int, first: bytes = b"") -> bytes:
    """`size` bytes, beginning with those that are here already. Raises ConnectionError at the end of the stream."""
    data = first[:size]
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("the other side hung up")
        data += piece
    return data
