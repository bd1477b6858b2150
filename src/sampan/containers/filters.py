"""Which containers does a filter let through?

The keys of `docker ps --filter` (Engine API 1.51, `GET /containers/json`). Values of one key are alternatives, keys
must all hold. What a filter refers to is looked up once; then each container is judged by itself.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sampan.containers import mounts, ports, volumes
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.containers.model import Container
from sampan.containers.verify import PORT
from sampan.errors import InvalidRequest, NotFound
from sampan.networks.model import PublishedPort
from sampan.wire.filters import Filters

ACCEPTED = frozenset(
    (
        "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network",
        "publish", "since", "status", "volume",
    )
)  # fmt: skip
HEALTHS = ("starting", "healthy", "unhealthy", "none")
LONGEST_PATTERN = 256
# A repeated group may take time that grows exponentially with the name; no pattern for a name needs one.
REPEATED_GROUP = re.compile(r"\)[*+{]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The filters of one listing with what they refer to looked up."""

    filters: Filters
    exit_codes: frozenset[int] = frozenset()
    before: Container | None = None
    since: Container | None = None
    ancestors: tuple[tuple[str, tuple[str, ...]], ...] = ()
    networks: frozenset[str] = frozenset()
    published: Mapping[str, Sequence[PublishedPort]] = field(default_factory=dict)
    healths: Mapping[str, str] = field(default_factory=dict)
    patterns: dict[str, list[Callable[[str], bool]]] = field(default_factory=dict)

    @property
    def includes_stopped(self) -> bool:
        """Do these filters speak of containers that do not run?"""
        return "status" in self.filters or self.before is not None or self.since is not None

    def wants(self, container: Container) -> bool:
        """Does the container pass every filter?"""
        return self.filters.labels_match(container.config.labels) and all(
            CHECKS[key](self, container) for key in self.filters.terms if key in CHECKS
        )


def prepare(engine: Engine, filters: Filters) -> Query:
    """Look up what the filters refer to. Raises InvalidRequest for a filter that means nothing."""
    filters.check(ACCEPTED)
    for value in filters.get("status"):
        if value not in Status.__members__.values():
            raise InvalidRequest(f"invalid filter 'status={value}'")
    for value in filters.get("health"):
        if value not in HEALTHS:
            raise InvalidRequest(f"Unrecognised filter value for health: {value}")
    for value in (*filters.get("publish"), *filters.get("expose")):
        if not PORT.fullmatch(value):
            raise InvalidRequest(f'invalid port specification: "{value}"')
    try:
        exit_codes = frozenset(int(value) for value in filters.get("exited"))
    except ValueError:
        raise InvalidRequest(f"invalid filter 'exited={filters.get('exited')[0]}'") from None
    return Query(
        filters=filters,
        exit_codes=exit_codes,
        before=_last(engine, filters.get("before")),
        since=_last(engine, filters.get("since")),
        ancestors=tuple(_ancestors(engine, filters)),
        networks=frozenset(_networks(engine, filters)),
        published=_published(engine) if "publish" in filters else {},
        healths=engine.health.verdicts() if "health" in filters else {},
        patterns={key: [_matcher(value) for value in filters.get(key)] for key in ("id", "name")},
    )


def _last(engine: Engine, references: tuple[str, ...]) -> Container | None:
    try:
        found = [engine.rows.find(reference) for reference in references]
    except NotFound as error:
        raise InvalidRequest(str(error)) from None
    return found[-1] if found else None


def _ancestors(engine: Engine, filters: Filters) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for reference in filters.get("ancestor"):
        try:
            image = engine.images.find(reference)
        except (NotFound, InvalidRequest):
            continue
        found.append((str(image.id), tuple(image.diff_ids)))
    return found


def _networks(engine: Engine, filters: Filters) -> list[str]:
    names = []
    for reference in filters.get("network"):
        try:
            names.append(engine.networks.find(reference).name)
        except NotFound:
            continue
    return names


def _published(engine: Engine) -> dict[str, list[PublishedPort]]:
    found: dict[str, list[PublishedPort]] = {}
    for _, endpoint in engine.networks.all_endpoints():
        found.setdefault(endpoint.container_id, []).extend(endpoint.ports)
    return found


def _matcher(value: str) -> Callable[[str], bool]:
    """A value matches as it is, or as a pattern found anywhere; what is no pattern matches only itself."""
    if len(value) > LONGEST_PATTERN or REPEATED_GROUP.search(value):
        raise InvalidRequest(f"invalid filter pattern: {value[:LONGEST_PATTERN]}")
    try:
        pattern = re.compile(value)
    except re.error:
        return lambda text: text == value
    return lambda text: bool(pattern.search(text))


def _has_name(query: Query, container: Container) -> bool:
    # Both with and without the slash: "^/web$" and "^web$" mean the same name.
    return any(matches(container.name) or matches(f"/{container.name}") for matches in query.patterns["name"])


def _has_id(query: Query, container: Container) -> bool:
    return any(matches(container.id) for matches in query.patterns["id"])


def _has_ended_with(query: Query, container: Container) -> bool:
    return not container.state.is_running and container.state.exit_code in query.exit_codes


def _is_made_before(query: Query, container: Container) -> bool:
    return query.before is not None and container.created_ns < query.before.created_ns


def _is_made_since(query: Query, container: Container) -> bool:
    return query.since is not None and container.created_ns > query.since.created_ns


def _descends(query: Query, container: Container) -> bool:
    """Made from the image, or from one that was built on top of it."""
    return any(
        container.image_id == image_id or (diff_ids and container.diff_ids[: len(diff_ids)] == diff_ids)
        for image_id, diff_ids in query.ancestors
    )


def _mounts(query: Query, container: Container) -> bool:
    shown = mounts.shown(volumes.points_of(container))
    places = {place for point in shown for place in (point.name or point.source, point.target)}
    return not places.isdisjoint(query.filters.get("volume"))


def _exposes(query: Query, container: Container) -> bool:
    exposed = ports.exposed(container.config, container.host.port_bindings or {})
    return any(_is_within(port, value) for port in exposed for value in query.filters.get("expose"))


def _is_published(query: Query, container: Container) -> bool:
    """By port of the host; only while it runs is anything published."""
    return any(
        _is_within((port.host_port, port.protocol), value)
        for port in query.published.get(container.id, ())
        for value in query.filters.get("publish")
    )


def _is_within(port: tuple[int, str], value: str) -> bool:
    first, last, protocol = ports.parse(value)
    return first <= port[0] <= last and port[1] == protocol


CHECKS: dict[str, Callable[[Query, Container], bool]] = {
    "name": _has_name,
    "id": _has_id,
    "exited": _has_ended_with,
    "status": lambda query, container: container.state.status in query.filters.get("status"),
    "health": lambda query, container: query.healths.get(container.id, "none") in query.filters.get("health"),
    "before": _is_made_before,
    "since": _is_made_since,
    "ancestor": _descends,
    "volume": _mounts,
    "network": lambda query, container: bool(query.networks.intersection(container.networks)),
    "expose": _exposes,
    "publish": _is_published,
    # There are no swarm tasks.
    "is-task": lambda query, container: query.filters.get("is-task")[0] in ("false", "0"),
}
