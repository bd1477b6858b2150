"""What does a client send to run another process in a container?

Engine API 1.51: `POST /containers/{id}/exec` and `POST /exec/{id}/start`.
"""

from msgspec import Struct

from sampan.wire.bodies import StrSlice, Uint32


class ExecCreate(Struct, rename="pascal", frozen=True, kw_only=True):
    """The process to run; nothing runs until it is started. `console_size` is rows, columns."""

    user: str = ""
    privileged: bool = False
    tty: bool = False
    console_size: tuple[Uint32, Uint32] | None = None
    attach_stdin: bool = False
    attach_stderr: bool = False
    attach_stdout: bool = False
    detach: bool = False
    detach_keys: str = ""
    env: list[str] | None = None
    working_dir: str = ""
    cmd: StrSlice | None = None


class ExecStart(Struct, rename="pascal", frozen=True, kw_only=True):
    """How to start it: detached, or with this connection as its stdio."""

    detach: bool = False
    tty: bool = False
    console_size: tuple[Uint32, Uint32] | None = None
