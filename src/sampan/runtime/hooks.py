"""How are the OCI spec's hooks run?

Each is a host program that gets the container's state as JSON on stdin (runtime spec, config.md "POSIX-platform
Hooks"). It sees only the environment that its entry lists, never the image's (security catalogue A29, P19).
"""

import json
import os
import select
import signal
import time
from collections.abc import Sequence

from sampan.linux.pidfd import pidfd_open
from sampan.runtime.plan import ContainerPlan, Hook
from sampan.runtime.status import StartFailed

OUTPUT_LIMIT = 1 << 16


def state_of(plan: ContainerPlan, status: str, pid: int) -> dict[str, object]:
    """The OCI state of the container (runtime.md "State")."""
    state: dict[str, object] = {"ociVersion": "1.2.0", "id": plan.id, "status": status, "bundle": plan.bundle}
    if pid:
        state["pid"] = pid
    if plan.annotations:
        state["annotations"] = dict(plan.annotations)
    return state


def run_hooks(hooks: Sequence[Hook], point: str, state: dict[str, object]) -> None:
    """Run the hooks of one point in order. Raises StartFailed at the first that fails."""
    for index, hook in enumerate(hooks):
        code, output = _run(hook, json.dumps(state).encode())
        if code:
            text = output.decode("utf-8", "replace").strip()
            how = "timed out" if code == -1 else f"exit status {code}"
            raise StartFailed(f"error running {point} hook #{index}: {how}, stdout: , stderr: {text}")


def _run(hook: Hook, stdin: bytes) -> tuple[int, bytes]:
    """(exit code, output) of one hook; the code is -1 when its time ran out."""
    in_reader, in_writer = os.pipe2(os.O_CLOEXEC)
    out_reader, out_writer = os.pipe2(os.O_CLOEXEC)
    actions = [
        (os.POSIX_SPAWN_DUP2, in_reader, 0),
        (os.POSIX_SPAWN_DUP2, out_writer, 1),
        (os.POSIX_SPAWN_DUP2, out_writer, 2),
    ]
    environment = dict(entry.partition("=")[::2] for entry in hook.env)
    try:
        pid = os.posix_spawn(
            hook.path, hook.args, environment, file_actions=actions,
            setsigmask=(), setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD],
        )  # fmt: skip
    except OSError as error:
        return 127, f"fork/exec {hook.path}: {(error.strerror or '').lower()}".encode()
    finally:
        os.close(in_reader)
        os.close(out_writer)
        if "pid" not in locals():
            os.close(in_writer)
            os.close(out_reader)
    try:
        os.write(in_writer, stdin)
    except BrokenPipeError:
        pass  # a hook need not read its state
    os.close(in_writer)
    try:
        return _wait(pid, hook, out_reader)
    finally:
        os.close(out_reader)


def _wait(pid: int, hook: Hook, output: int) -> tuple[int, bytes]:
    deadline = time.monotonic() + hook.timeout if hook.timeout else None
    pidfd = pidfd_open(pid)
    kept = b""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(output, select.POLLIN)
    try:
        while True:
            left = None if deadline is None else max(0, (deadline - time.monotonic()) * 1000)
            ready = poll.poll(left)
            if not ready:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return -1, kept
            for fd, _ in ready:
                if fd == output:
                    data = os.read(output, OUTPUT_LIMIT)
                    kept = (kept + data)[-OUTPUT_LIMIT:]
                    if not data:
                        poll.unregister(output)
            if any(fd == pidfd for fd, _ in ready):
                _, status = os.waitpid(pid, 0)
                return os.waitstatus_to_exitcode(status) & 0xFF, kept
    finally:
        os.close(pidfd)
