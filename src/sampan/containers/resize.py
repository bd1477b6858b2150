"""How does a container's terminal get its size?"""

from sampan.containers.engine import Engine
from sampan.errors import Conflict


async def resize(engine: Engine, reference: str, rows: int, columns: int) -> None:
    """Set the size of the terminal, in characters. Raises Conflict when the container does not run."""
    container = engine.rows.find(reference)
    process = engine.processes.get(container.id)
    if process is None or not container.state.is_running:
        raise Conflict(f"Container {container.id} is not running")
    await process.resize(rows, columns)
    engine.publish(container, "resize", {"height": str(rows), "width": str(columns)})
