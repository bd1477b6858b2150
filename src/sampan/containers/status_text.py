"""What does `docker ps` say in its STATUS column?

"Up 3 minutes (Paused)", "Exited (0) 2 seconds ago": rounded as Docker rounds. Pure.
"""

from sampan.containers.health_state import Verdict
from sampan.containers.lifecycle import Status
from sampan.containers.model import State

SECOND = 1_000_000_000
HEALTH = {
    None: "",
    Verdict.STARTING: "health: starting",
    Verdict.HEALTHY: "healthy",
    Verdict.UNHEALTHY: "unhealthy",
}


def text(state: State, now_ns: int, verdict: Verdict | None = None) -> str:
    """The status in words; `verdict`: what its health check says, if it has one."""
    if state.status is Status.RESTARTING:
        return f"Restarting ({state.exit_code}) {duration(now_ns - state.finished_ns)} ago"
    if state.is_running:
        words = "Paused" if state.status is Status.PAUSED else HEALTH[verdict]
        return f"Up {duration(now_ns - state.started_ns)}" + (f" ({words})" if words else "")
    if state.status is Status.REMOVING:
        return "Removal In Progress"
    if state.status is Status.DEAD:
        return "Dead"
    if not state.started_ns:
        return "Created"
    return f"Exited ({state.exit_code}) {duration(now_ns - state.finished_ns)} ago" if state.finished_ns else ""


def duration(nanoseconds: int) -> str:
    """A length of time as Docker says it: "Less than a second", "About an hour", "3 weeks"."""
    seconds = max(0, nanoseconds) // SECOND
    minutes, hours = seconds // 60, (seconds + 1800) // 3600
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for most_hours, unit_hours, unit in (
        (14 * 24, 24, "days"),
        (60 * 24, 7 * 24, "weeks"),
        (730 * 24, 30 * 24, "months"),
    ):
        if hours < most_hours:
            return f"{hours // unit_hours} {unit}"
    return f"{seconds // 3600 // 24 // 365} years"
