"""What are a process's standard streams joined to?

Plain values that cross from the engine to the shim: how stdio is made, where the log goes, and who is attached.
"""

from dataclasses import dataclass
from typing import Any

from sampan.runtime.log_lines import Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """How the three standard streams of a process are made.

    `terminal`: a pty instead of pipes, of `rows` × `columns` (0: left at the kernel's 0 × 0).
    `stdin_open`: stdin stays open while nobody is attached; otherwise it is /dev/null.
    `stdin_once`: the first attached client that ends its input ends the container's.
    """

    terminal: bool = False
    stdin_open: bool = False
    stdin_once: bool = False
    rows: int = 0
    columns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """Where a container's output is kept: `max_files` files of `max_size` bytes in `directory`; "" keeps none.

    `compress`: files that were rotated twice are. `forward`: who gets each line besides.
    """

    directory: str = ""
    max_size: int = 100 << 20
    max_files: int = 5
    compress: bool = False
    forward: Destination | None = None


def log_options_from_json(data: dict[str, Any]) -> LogOptions:
    """The options that a request describes."""
    forward = data.get("forward")
    return LogOptions(**{**data, "forward": Destination(**forward) if forward else None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One attached client.

    `fd` is a connected stream socket, given away with the call: the client's own hijacked connection, so that it
    outlives the daemon, or one end of a socketpair. `framed` multiplexes stdout and stderr with stdcopy headers.
    `initial` holds bytes that the client had already sent. `replay` first sends what the log holds.
    """

    fd: int
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    framed: bool = True
    detach_keys: bytes = b""
    initial: bytes = b""
    replay: bool = False


def stream_to_json(stream: Stream) -> dict[str, Any]:
    """The description of an attached client, without its descriptor."""
    return {
        "stdin": stream.stdin,
        "stdout": stream.stdout,
        "stderr": stream.stderr,
        "framed": stream.framed,
        "detach_keys": stream.detach_keys.hex(),
        "initial": stream.initial.hex(),
        "replay": stream.replay,
    }


def stream_from_json(data: dict[str, Any], fd: int) -> Stream:
    """The attached client that a request describes; `fd` came with it."""
    values = {**data, "detach_keys": bytes.fromhex(data["detach_keys"]), "initial": bytes.fromhex(data["initial"])}
    return Stream(fd=fd, **values)
