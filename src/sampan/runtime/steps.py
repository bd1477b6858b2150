"""Which step of a start failed, and why?

Between fork and execve a process cannot raise an exception in its parent, so it says over the channel which step
failed, with the kernel's own reason, and dies. The parent raises it again as StartFailed.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sampan.errors import SampanError
from sampan.runtime.protocol import send
from sampan.runtime.status import StartFailed


@contextmanager
def step(channel: socket.socket, name: str) -> Iterator[None]:
    """Do one numbered step; when it fails, report it over `channel` and end this process."""
    try:
        yield
    except BaseException as error:
        report(channel, name, error)
        os._exit(1)


def report(channel: socket.socket, name: str, error: BaseException) -> None:
    """Tell the parent that step `name` failed."""
    try:
        send(channel, {"failed": name, **_described(name, error)})
    except OSError:
        # The parent is gone, as after `sampan runtime create`: whoever holds the process's standard error may read it.
        os.write(2, f"{_described(name, error)['message']}\n".encode("utf-8", "surrogateescape"))


def _described(name: str, error: BaseException) -> dict[str, Any]:
    if isinstance(error, StartFailed):
        return {"message": str(error), "exit_code": error.exit_code, "plain": error.plain}
    if isinstance(error, SampanError):
        return {"message": str(error), "exit_code": 125}
    if isinstance(error, OSError) and error.errno is not None:
        where = "" if error.filename else f"{name.partition(' ')[2]}: "
        return {"message": where + sentence(error), "exit_code": 125}
    return {"message": f"{type(error).__name__}: {error}", "exit_code": 125}


def sentence(error: OSError) -> str:
    """An OSError as Go's runtimes word it: paths first, then the reason in lower case."""
    paths = [
        os.fsdecode(path) if isinstance(path, bytes) else str(path)
        for path in (error.filename, error.filename2)
        if path
    ]
    reason = (error.strerror or os.strerror(error.errno or 0)).strip()
    reason = reason[:1].lower() + reason[1:]
    return f"{' '.join(paths)}: {reason}" if paths else reason


def failure(message: dict[str, Any]) -> StartFailed:
    """The error to raise for a step's report."""
    return StartFailed(str(message["message"]), int(message["exit_code"]), plain=bool(message.get("plain")))
