"""Which containers are there?

Docker's list of ContainerSummary (Engine API 1.51, `GET /containers/json`), newest first.
"""

import time
from typing import Any

from sampan.containers import bindings, inspect, links, network_settings, status_text
from sampan.containers import filters as filtering
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.errors import InvalidRequest, NotFound
from sampan.wire.filters import Filters


def list_containers(engine: Engine, *, all: bool, limit: int, size: bool, filters: Filters) -> list[dict[str, Any]]:
    """The running containers, or those that `all`, `limit` and the filters ask for. Raises InvalidRequest."""
    query = filtering.prepare(engine, filters)
    includes_stopped = all or limit > 0 or query.includes_stopped
    newest_first = sorted(engine.rows.all(), key=lambda container: container.created_ns, reverse=True)
    wanted = [
        container
        for container in newest_first
        if (includes_stopped or container.state.is_running) and query.wants(container)
    ]
    summary = _Summaries(engine, size)
    return [summary.of(container) for container in (wanted[:limit] if limit > 0 else wanted)]


class _Summaries:
    """Renders containers, asking for each image once."""

    def __init__(self, engine: Engine, size: bool) -> None:
        self._engine = engine
        self._size = size
        self._now_ns = time.time_ns()
        self._ids_by_name: dict[str, str] = {}
        self._image_sizes: dict[str, int] = {}
        self._linked = links.names(engine)

    def of(self, container: Container) -> dict[str, Any]:
        """One ContainerSummary."""
        networks = network_settings.networks(self._engine, container)
        granted = self._engine.networks.endpoints(container.id).values()
        result: dict[str, Any] = {
            "Id": container.id,
            "Names": [f"/{container.name}", *self._linked.get(container.id, ())],
            "Image": self._image_name(container),
            "ImageID": container.image_id,
            "Command": command(container.argv),
            "Created": container.created_ns // 1_000_000_000,
            "Ports": bindings.summary(container.config, granted) if container.state.is_running else [],
            "Labels": container.config.labels or {},
            "State": container.state.status.value,
            "Status": self._status(container),
            "HostConfig": {"NetworkMode": container.host.network_mode},
            "NetworkSettings": {"Networks": networks},
            "Mounts": inspect.mounts(self._engine, container),
        }
        if container.host.annotations:
            result["HostConfig"]["Annotations"] = container.host.annotations
        if self._size:
            own, whole = inspect.sizes(self._engine, container, self._image_sizes)
            self._image_sizes[container.image_id] = whole - own
            # Go leaves out a zero here.
            result |= {name: value for name, value in (("SizeRw", own), ("SizeRootFs", whole)) if value}
        return result

    def _status(self, container: Container) -> str:
        known = self._engine.health.get(container.id)
        return status_text.text(container.state, self._now_ns, known.verdict if known is not None else None)

    def _image_name(self, container: Container) -> str:
        """The name the container was made with, while it still means the same image; else the image's id."""
        name = container.config.image
        if name not in self._ids_by_name:
            try:
                self._ids_by_name[name] = str(self._engine.images.find(name).id) if name else ""
            except (NotFound, InvalidRequest):
                self._ids_by_name[name] = ""
        return name if self._ids_by_name[name] == container.image_id else container.image_id


def command(argv: list[str]) -> str:
    """The command line as `ps` shows it: arguments with blanks in quotes."""
    return " ".join([argv[0], *(f"'{argument}'" if " " in argument else argument for argument in argv[1:])])
