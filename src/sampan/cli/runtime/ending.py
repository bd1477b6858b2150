"""How does a container end for good?

Everybody in its cgroup is killed, the cgroup removed, the poststop hooks run, and last the name given back: until then
`delete` can be repeated, whatever interrupted it.
"""

import os

from sampan.cli.runtime.record import Container, Store
from sampan.cli.runtime.report import Report
from sampan.errors import Unavailable
from sampan.linux.pidfd import pidfd_open
from sampan.linux.poll import readable
from sampan.runtime.hooks import run_hooks, state_of
from sampan.runtime.status import StartFailed

SECONDS = 10.0


def destroy(container: Container, store: Store, report: Report) -> None:
    """Take away a container that has stopped. Raises Unavailable when its processes do not go."""
    cgroup = container.cgroup()
    cgroup.kill()
    if not cgroup.remove():
        raise Unavailable(f"unable to remove the cgroup {cgroup.path}: somebody is still in it")
    plan = container.record.plan
    try:
        run_hooks(plan.hooks.poststop, "poststop", state_of(plan, "stopped", 0))
    except StartFailed as error:
        # The container is gone either way (runtime.md "Lifecycle", step 13).
        report.warning(str(error))
    store.remove(container.id)


def kill_and_wait(container: Container) -> None:
    """End the first process and everybody with it, and wait until it is seen to be gone. Raises Unavailable."""
    pid = container.record.pid
    try:
        pidfd = pidfd_open(pid) if pid and container.status() != "stopped" else -1
    except ProcessLookupError:
        pidfd = -1
    container.cgroup().kill()
    if pidfd < 0:
        return
    try:
        # Readable as soon as it is a zombie: its parent may be slow to collect it.
        if not readable(pidfd, SECONDS):
            raise Unavailable("container init still running")
    finally:
        os.close(pidfd)
