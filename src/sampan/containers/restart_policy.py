"""Is a container whose program ended started again, and when?

Pure. The policies are Docker's (`no`, `on-failure[:n]`, `always`, `unless-stopped`), and so is the pace: 100 ms,
doubled each time up to a minute, and back to the beginning once a run lasted ten seconds (moby, restartmanager).
"""

import signal

from sampan.containers.model import Container
from sampan.wire.containers import RestartPolicy

FIRST_DELAY_NS = 100_000_000
MOST_DELAY_NS = 60_000_000_000
STEADY_NS = 10_000_000_000

# Sent to have a program do something, not to end it. (dockerd takes every signal of `docker kill` for a wish to stop,
# and a container that was told to read its configuration again is not restarted when it crashes a week later.)
NOT_AN_END = frozenset(
    (
        signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCONT, signal.SIGCHLD, signal.SIGURG,
        signal.SIGSTOP, signal.SIGTSTP, signal.SIGALRM, signal.SIGIO,
    )
)  # fmt: skip


def is_an_end(number: int, stop_signal: int) -> bool:
    """Does who sends signal `number` want the container to end?"""
    return number == stop_signal or number not in NOT_AN_END


def wants(policy: RestartPolicy, *, code: int, count: int, was_stopped: bool) -> bool:
    """Is a program that ended with `code`, after `count` restarts, started again?"""
    if was_stopped:
        return False
    if policy.name == "on-failure":
        return code != 0 and (policy.maximum_retry_count == 0 or count < policy.maximum_retry_count)
    return policy.name in ("always", "unless-stopped")


def delay_ns(container: Container, *, code: int, ran_ns: int) -> int | None:
    """How long to wait before a container that ran for `ran_ns` is started again, nanoseconds; None: it is not."""
    state = container.state
    if not wants(container.host.restart_policy, code=code, count=state.restart_count, was_stopped=state.was_stopped):
        return None
    if not state.restart_delay_ns or ran_ns >= STEADY_NS:
        return FIRST_DELAY_NS
    return min(2 * state.restart_delay_ns, MOST_DELAY_NS)


def is_due_with_the_daemon(container: Container) -> bool:
    """Is a container that does not run started when the daemon is?

    `always` overrides an earlier stop here, and here alone: that is what tells it from `unless-stopped`.
    """
    policy, state = container.host.restart_policy, container.state
    if not state.started_ns:
        return False  # created and never started: nobody has asked for it to run
    return policy.name == "always" or wants(
        policy, code=state.exit_code, count=state.restart_count, was_stopped=state.was_stopped
    )
