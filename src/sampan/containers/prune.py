"""How are all containers removed that do not run?"""

import asyncio
from typing import Any

from sampan.containers import remove
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Act, allows
from sampan.errors import InvalidRequest
from sampan.wire import timestamps
from sampan.wire.filters import Filters


async def prune(engine: Engine, filters: Filters) -> dict[str, Any]:
    """Remove those that the filters `label`, `label!` and `until` let through; says which, and the space gained."""
    filters.check(("label", "label!", "until"))
    if len(filters.get("until")) > 1:
        raise InvalidRequest("more than one until filter specified")
    until_ns = timestamps.parse(filters.get("until")[0]) if filters.get("until") else None
    removed, reclaimed = [], 0
    for container in engine.rows.all():
        if not filters.labels_match(container.config.labels) or (
            until_ns is not None and container.created_ns >= until_ns
        ):
            continue
        async with engine.lock(container.id):
            current = engine.rows.get(container.id)
            if current is None or not allows(current.state.status, Act.REMOVE):
                continue
            reclaimed += await asyncio.to_thread(_size, engine, container.id)
            await remove.discard(engine, current, durable=True)
            removed.append(container.id)
    engine.events.publish("container", "prune", "", {"reclaimed": str(reclaimed)})
    return {"ContainersDeleted": removed or None, "SpaceReclaimed": reclaimed}


def _size(engine: Engine, container_id: str) -> int:
    return engine.snapshots.usage(container_id) if engine.snapshots.exists(container_id) else 0
