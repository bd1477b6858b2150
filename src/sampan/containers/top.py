"""Which processes run in a container? As ps(1) would show them, from the host's /proc (`runtime/ps.py`)."""

from typing import Any

from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.errors import Conflict, InvalidRequest
from sampan.runtime import ps

DEFAULT = "-ef"


def top(engine: Engine, reference: str, arguments: str) -> dict[str, Any]:
    """Docker's ContainerTopResponse. Raises Conflict when it does not run, InvalidRequest for unknown arguments."""
    container = engine.rows.find(reference)
    process = engine.processes.get(container.id)
    if process is None or not container.state.is_running:
        raise Conflict(f"Container {container.id} is not running")
    if container.state.status is Status.RESTARTING:
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
    columns = ps.parse(arguments or DEFAULT)
    if not any(title == "PID" for title, _ in columns):
        raise InvalidRequest("Couldn't find PID field in ps output")
    rows = ps.rows(process.pids())
    engine.publish(container, "top")
    return {
        "Titles": [title for title, _ in columns],
        "Processes": [[render(row) for _, render in columns] for row in rows],
    }
