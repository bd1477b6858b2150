"""How does a container get another name?"""

from sampan.containers import resolve
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, after
from sampan.errors import Conflict, InvalidRequest


async def rename(engine: Engine, reference: str, name: str) -> None:
    """Rename it, durably. Raises InvalidRequest for an impossible name, Conflict for one in use."""
    if not reference or not name.removeprefix("/"):
        raise InvalidRequest("Neither old nor new names may be empty")
    container_id = engine.rows.find(reference).id
    async with engine.lock(container_id):
        container = engine.current(container_id, reference)
        after(container.state.status, Act.RENAME, id=container.id)
        if name.removeprefix("/") == container.name:
            raise InvalidRequest("Renaming a container with the same name as its current name")
        try:
            with engine.rows.reserved(name, container.id) as chosen:
                renamed = await engine.rows.rename(container, chosen)
        except (Conflict, InvalidRequest) as error:
            raise type(error)(f"Error when allocating new name: {error}") from None
        await resolve.changed(engine, renamed)
    engine.publish(renamed, "rename", {"oldName": f"/{container.name}"})
