"""sampan runtime kill: send a signal to a container."""

import os
import signal

from sampan.cli.flags import SWITCH, Flag
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.record import Container
from sampan.errors import Conflict, InvalidRequest
from sampan.linux.pidfd import pidfd_open, pidfd_send_signal

FLAGS = (Flag("all", SWITCH, "Send the signal to all processes inside the container", short="a"),)


def run(call: Call) -> int:
    """Send it; SIGTERM by default."""
    container = call.store.get(call.arguments[0])
    number = signal_number(call.arguments[1] if len(call.arguments) > 1 else "SIGTERM")
    if call.options["all"]:
        to_everybody(container, number)
    else:
        to_first(container, number)
    return 0


def to_first(container: Container, number: int) -> None:
    """Signal the first process. Raises Conflict when it is gone."""
    status = container.status()
    if status in ("stopped", "creating"):
        raise Conflict("container not running")
    try:
        pidfd = pidfd_open(container.record.pid)
    except ProcessLookupError:
        raise Conflict("container not running") from None
    try:
        # Held by its descriptor now, it is asked again: it may have been another one's number.
        if container.status() == "stopped":
            raise Conflict("container not running")
        pidfd_send_signal(pidfd, number)
    except OSError as error:
        raise InvalidRequest(f"unable to signal init: {(error.strerror or '').lower()}") from None
    finally:
        os.close(pidfd)
    if number == signal.SIGKILL and status == "paused":
        # On cgroup v1 a frozen process dies only once it is thawed.
        container.cgroup().thaw()


def to_everybody(container: Container, number: int) -> None:
    """Signal all in the cgroup, also when the first process has ended."""
    cgroup = container.cgroup()
    if number == signal.SIGKILL:
        return cgroup.kill()
    for pid in cgroup.pids():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return None


def signal_number(text: str) -> int:
    """The signal that a number or a name, with or without SIG, means. Raises InvalidRequest in runc's words."""
    if text.isascii() and text.isdecimal():
        number = int(text)
        if number > signal.NSIG:
            raise InvalidRequest("unable to signal init: invalid argument")
        return number
    name = text.upper()
    try:
        return int(signal.Signals[name if name.startswith("SIG") else f"SIG{name}"])
    except KeyError:
        raise InvalidRequest(f'unknown signal "{text}"') from None


COMMAND = Command(usage="<container-id> [signal]", run=run, flags=FLAGS, most=2)
