"""Which function answers which path?

The Engine API's operations in the order of its reference; the first pattern that matches wins. `{name}` stands for
anything, slashes included: image names have them. The version in front of the path has been taken off.
"""

import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sampan.api.routes import (
    absent,
    archive,
    build,
    containers,
    distribution,
    events,
    execs,
    images,
    metrics,
    networks,
    streams,
    system,
    volume_data,
    volumes,
)

if TYPE_CHECKING:
    from sampan.api.app import Engine
    from sampan.api.call import Call

Function = Callable[["Engine", "Call"], Coroutine[Any, Any, web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `watches`: it ends when its client leaves, either because it changes nothing or can be gone on
    with; where that depends on the request, a function of it."""

    methods: str
    pattern: str
    function: Function
    watches: "bool | Callable[[Call], bool]" = False
    regex: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        """Compile the pattern."""
        object.__setattr__(self, "regex", re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>.*)", self.pattern), re.DOTALL))


WATCHES = True
ROUTES = (
    Route("GET HEAD", "/_ping", system.ping),
    Route("GET", "/version", system.version),
    Route("GET", "/info", system.info),
    Route("GET", "/metrics", metrics.metrics),
    Route("GET", "/events", events.stream, WATCHES),
    Route("GET", "/system/df", system.disk_usage),
    Route("POST", "/auth", distribution.log_in),
    Route("GET", "/containers/json", containers.listing),
    Route("POST", "/containers/create", containers.create),
    Route("POST", "/containers/prune", containers.prune),
    Route("GET", "/containers/{name}/json", containers.inspect),
    Route("GET", "/containers/{name}/top", containers.top),
    Route("GET", "/containers/{name}/logs", streams.logs, WATCHES),
    Route("GET", "/containers/{name}/changes", archive.changes, WATCHES),
    Route("GET", "/containers/{name}/export", archive.export, WATCHES),
    Route("GET", "/containers/{name}/stats", streams.stats, WATCHES),
    Route("GET", "/containers/{name}/attach/ws", streams.attach_websocket, WATCHES),
    Route("HEAD", "/containers/{name}/archive", archive.look, WATCHES),
    Route("GET", "/containers/{name}/archive", archive.read, WATCHES),
    Route("PUT", "/containers/{name}/archive", archive.write),
    Route("GET", "/containers/{name}/glob", archive.glob, WATCHES),
    Route("POST", "/containers/{name}/attach", streams.attach),
    Route("POST", "/containers/{name}/exec", execs.create),
    Route("POST", "/containers/{name}/kill", containers.kill),
    Route("POST", "/containers/{name}/pause", containers.pause),
    Route("POST", "/containers/{name}/rename", containers.rename),
    Route("POST", "/containers/{name}/resize", containers.resize),
    Route("POST", "/containers/{name}/restart", containers.restart),
    Route("POST", "/containers/{name}/start", containers.start),
    Route("POST", "/containers/{name}/stop", containers.stop),
    Route("POST", "/containers/{name}/publish", containers.publish),
    Route("POST", "/containers/{name}/unpublish", containers.unpublish),
    Route("POST", "/containers/{name}/unpause", containers.unpause),
    Route("POST", "/containers/{name}/update", containers.update),
    Route("POST", "/containers/{name}/wait", streams.wait, WATCHES),
    Route("DELETE", "/containers/{name}", containers.remove),
    Route("POST", "/exec/{name}/start", execs.start),
    Route("POST", "/exec/{name}/resize", execs.resize),
    Route("GET", "/exec/{name}/json", execs.inspect),
    Route("GET", "/images/json", images.listing),
    Route("GET", "/images/search", distribution.search),
    Route("GET", "/images/get", images.save_many, WATCHES),
    Route("GET", "/images/{name}/get", images.save, WATCHES),
    Route("GET", "/images/{name}/history", images.history),
    Route("GET", "/images/{name}/json", images.inspect),
    Route("POST", "/images/load", images.load),
    Route("POST", "/images/create", images.create, images.is_pull),
    Route("POST", "/images/from-host", images.from_host),
    Route("POST", "/images/prune", images.prune),
    Route("POST", "/images/verify", distribution.verify),
    Route("POST", "/images/{name}/push", distribution.push, WATCHES),
    Route("POST", "/images/{name}/tag", images.tag),
    Route("DELETE", "/images/{name}", images.remove),
    Route("GET", "/distribution/{name}/json", distribution.inspect),
    Route("GET", "/distribution/{name}/manifest", distribution.manifest),
    Route("POST", "/distribution/{name}/manifest", distribution.put_manifest),
    Route("POST", "/commit", containers.commit),
    Route("POST", "/build", build.build, WATCHES),
    Route("POST", "/build/archive", build.archive),
    Route("POST", "/build/push", build.push, WATCHES),
    Route("GET", "/build/history", build.history),
    Route("GET", "/build/mounts", build.export_cache, WATCHES),
    Route("POST", "/build/mounts", build.import_cache),
    Route("POST", "/build/inputs", build.inputs),
    Route("POST", "/build/context", build.context),
    Route("POST", "/build/agents", build.agents, WATCHES),
    Route("POST", "/build/prune", build.prune),
    Route("POST", "/build/cancel", absent.build),
    Route("POST", "/session", absent.build),
    Route("POST", "/grpc", absent.build),
    Route("GET", "/networks", networks.listing),
    Route("GET", "/networks/", networks.listing),
    Route("GET", "/networks/{name}", networks.inspect),
    Route("POST", "/networks/create", networks.create),
    Route("POST", "/networks/prune", networks.prune),
    Route("POST", "/networks/{name}/connect", networks.connect),
    Route("POST", "/networks/{name}/disconnect", networks.disconnect),
    Route("DELETE", "/networks/{name}", networks.remove),
    Route("GET", "/volumes", volumes.listing),
    Route("POST", "/volumes/create", volumes.create),
    Route("POST", "/volumes/prune", volumes.prune),
    Route("HEAD", "/volumes/{name}/archive", archive.look, WATCHES),
    Route("GET", "/volumes/{name}/archive", archive.read, WATCHES),
    Route("PUT", "/volumes/{name}/archive", archive.write),
    Route("GET", "/volumes/{name}/glob", archive.glob, WATCHES),
    Route("GET", "/volumes/{name}/export", volume_data.export, WATCHES),
    Route("POST", "/volumes/{name}/import", volume_data.import_),
    Route("POST", "/volumes/{name}/clone", volume_data.clone),
    Route("POST", "/volumes/{name}/rename", volume_data.rename),
    Route("GET", "/volumes/{name}", volumes.inspect),
    Route("PUT", "/volumes/{name}", volumes.update),
    Route("DELETE", "/volumes/{name}", volumes.remove),
    Route("GET", "/plugins", absent.plugin_list),
    Route("GET", "/plugins/{name}/json", absent.plugin),
    Route("GET", "/plugins/privileges", absent.plugins_made),
    Route("POST", "/plugins/pull", absent.plugins_made),
    Route("POST", "/plugins/create", absent.plugins_made),
    Route("POST", "/plugins/{name}/{verb}", absent.plugin),
    Route("DELETE", "/plugins/{name}", absent.plugin),
    Route("POST", "/swarm/init", absent.swarm),
    Route("POST", "/swarm/join", absent.swarm),
    Route("POST", "/swarm/leave", absent.swarm_leave),
    Route("GET POST", "/swarm/{name}", absent.swarm_manager),
    *(
        Route("GET POST DELETE", path, absent.swarm_manager)
        for kind in ("swarm", "nodes", "services", "tasks", "secrets", "configs")
        for path in (f"/{kind}", f"/{kind}/{{name}}")
    ),
)


def _by_method_and_kind() -> Mapping[tuple[str, str], tuple[Route, ...]]:
    found: dict[tuple[str, str], tuple[Route, ...]] = {}
    for route in ROUTES:
        for method in route.methods.split():
            key = (method, route.pattern.split("/")[1])
            found[key] = (*found.get(key, ()), route)
    return found


_INDEX = _by_method_and_kind()


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a request and the variables in its path; None when the API has no such operation."""
    for route in _INDEX.get((method, path.split("/", 2)[1] if "/" in path else ""), ()):
        if match := route.regex.fullmatch(path):
            return route, match.groupdict()
    return None
