"""Which volumes does a filter let through? Those of `docker volume ls` and `docker volume prune` (Engine API 1.51)."""

from collections.abc import Sequence

from sampan.volumes.store import Volumes
from sampan.volumes.volume import LOCAL, Volume
from sampan.wire.filters import Filters

LISTED_BY = ("dangling", "driver", "label", "label!", "name")
PRUNED_BY = ("all", "label", "label!")


def listed(volumes: Volumes, filters: Filters) -> list[Volume]:
    """The volumes that pass; those of a name are all that contain the text. Raises InvalidRequest."""
    filters.check(LISTED_BY)
    dangling = filters.flag("dangling")

    def passes(volume: Volume) -> bool:
        if dangling is not None and dangling == bool(volumes.holders(volume.name)):
            return False
        if "driver" in filters and LOCAL not in filters.get("driver"):
            return False
        if "name" in filters and not any(text in volume.name for text in filters.get("name")):
            return False
        return filters.labels_match(volume.labels)

    return [volume for volume in volumes.all() if passes(volume)]


def prunable(volumes: Volumes, filters: Filters) -> Sequence[Volume]:
    """What a prune removes of the volumes that nobody holds: the anonymous ones, or all. Raises InvalidRequest."""
    filters.check(PRUNED_BY)
    everything = filters.flag("all", default=False)
    return [
        volume
        for volume in volumes.all()
        if not volumes.holders(volume.name)
        and (everything or volume.is_anonymous)
        and filters.labels_match(volume.labels)
    ]
