"""How does a test try something in namespaces of its own, so that the machine never notices?

`namespaced(function, flags)` runs the function in a forked child that has left the namespaces it names, and hands back
what it returned. A failure in the child is the test's failure, with its traceback. `alone(function)` only forks.
"""

import json
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from sampan.linux.mount import MountFlag, mount
from sampan.linux.sched import CloneFlag, unshare

SECONDS = 100  # machines are busy; the test itself has 120


def namespaced(function: Callable[[], Any], flags: CloneFlag = CloneFlag.NEWNS) -> Any:
    """What `function` returned, as JSON has it, from a child in new namespaces; the mounts there are private."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(function, flags, writer)
    os.close(writer)
    with open(reader, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(pid, 0)
    if not answer:
        raise AssertionError(f"the child ended without an answer, status {os.waitstatus_to_exitcode(status)}")
    found = json.loads(answer)
    if "failed" in found:
        raise AssertionError(f"in the child:\n{found['failed']}")
    return found["returned"]


def exit_code(pid: int) -> int:
    """Wait for a child."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def alone(function: Callable[[], int]) -> int:
    """The exit status of a forked child that runs `function`: it has one thread, and may do what it likes."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            signal.alarm(SECONDS)
            status = function()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return exit_code(pid)


def _child(function: Callable[[], Any], flags: CloneFlag, writer: int) -> NoReturn:
    try:
        signal.alarm(SECONDS)
        unshare(flags)
        if flags & CloneFlag.NEWNS:
            mount("", "/", flags=MountFlag.REC | MountFlag.PRIVATE)
        if flags & CloneFlag.NEWPID:
            _become_pid_1()
        answer = {"returned": function()}
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    os.write(writer, json.dumps(answer).encode())
    os._exit(0)


def _become_pid_1() -> None:
    """Only the next child is in the new pid namespace: go on as that, while the parent waits for it."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    signal.alarm(SECONDS)
