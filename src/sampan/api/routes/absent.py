"""What does the engine say to operations that it does not have?

Each a clear sentence, and where Docker has an answer of its own for "there is none of that here", that answer.
"""

from typing import TYPE_CHECKING

from aiohttp import web

from sampan.api import reply
from sampan.api.call import Call
from sampan.errors import NotFound, NotSupported, Unavailable

if TYPE_CHECKING:
    from sampan.api.app import Engine

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)


async def operation(engine: "Engine", call: Call) -> web.StreamResponse:
    """Operations on containers that are still to come; of one that does not exist, that is what is said."""
    engine.containers.inspect(call.variables.get("name") or call.text("container"))
    word = call.request.path.rstrip("/").rpartition("/")[2]
    raise NotSupported(f"{word} is not supported by this engine yet")


async def build(engine: "Engine", call: Call) -> web.StreamResponse:
    """What only BuildKit's own protocol has."""
    raise NotSupported("BuildKit sessions are not supported by this engine: build with DOCKER_BUILDKIT=0")


async def registry(engine: "Engine", call: Call) -> web.StreamResponse:
    """Everything that needs a registry."""
    raise NotSupported("registries are not supported by this engine yet: use load, save and import")


async def plugin_list(engine: "Engine", call: Call) -> web.StreamResponse:
    """`GET /plugins`: there are none."""
    return reply.json([])


async def plugin(engine: "Engine", call: Call) -> web.StreamResponse:
    """One plugin, which cannot exist."""
    raise NotFound(f'plugin "{call.name}" not found')


async def plugins_made(engine: "Engine", call: Call) -> web.StreamResponse:
    """Installing plugins."""
    raise NotSupported("plugins are not supported by this engine")


async def swarm(engine: "Engine", call: Call) -> web.StreamResponse:
    """Making a swarm."""
    raise NotSupported("swarm mode is not supported by this engine yet")


async def swarm_leave(engine: "Engine", call: Call) -> web.StreamResponse:
    """Leaving a swarm that this engine is not in."""
    raise Unavailable("This node is not part of a swarm")


async def swarm_manager(engine: "Engine", call: Call) -> web.StreamResponse:
    """What only a manager of a swarm can answer."""
    raise Unavailable(NOT_A_MANAGER)
