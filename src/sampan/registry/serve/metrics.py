"""What does the registry count?

Labels take only values from fixed sets, so there is never more than a handful of series.
"""

import time
from collections import Counter
from collections.abc import Mapping

from sampan.wire.metrics import Family, render

_HELP = {
    "registry_received_bytes_total": "Bytes of blobs that clients have sent",
    "registry_served_bytes_total": "Bytes of blobs and manifests that clients have asked for",
    "registry_collections_total": "Collections that have run",
    "registry_collected_bytes_total": "Bytes that collections have given back",
    "registry_blobs": "Blobs and manifests in the store",
    "registry_blob_bytes": "Bytes of the blobs and manifests in the store",
    "registry_uploads_open": "Uploads that have begun and are not finished",
    "registry_manifests": "Manifests in all repositories",
    "registry_tags": "Tags in all repositories",
    "process_start_time_seconds": "When the registry was started, in Unix time",
}


class Metrics:
    """The registry's counters; for the event loop only."""

    def __init__(self) -> None:
        self._started = time.time()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[tuple[str, str], float] = {}
        self._counters: Counter[str] = Counter()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[method, route, str(status)] += 1
        self._seconds[method, route] = self._seconds.get((method, route), 0.0) + seconds

    def received(self, size: int) -> None:
        """Bytes of a blob have come in."""
        self._counters["registry_received_bytes_total"] += size

    def sent(self, size: int) -> None:
        """A blob or manifest of so many bytes has been asked for."""
        self._counters["registry_served_bytes_total"] += size

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter of one's own."""
        self._counters[name] += amount

    def text(self, gauges: Mapping[str, float]) -> str:
        """Everything, as Prometheus reads it."""
        requests = [
            ({"method": method, "route": route, "status": status}, count)
            for (method, route, status), count in sorted(self._requests.items())
        ]
        seconds = [
            ({"method": method, "route": route}, took) for (method, route), took in sorted(self._seconds.items())
        ]
        now = {**gauges, "process_start_time_seconds": self._started}
        return render(
            [
                Family("registry_requests_total", "counter", "Requests that were answered", requests),
                Family("registry_request_seconds_total", "counter", "Seconds that answering took", seconds),
                *(_family(name, "counter", amount) for name, amount in sorted(self._counters.items())),
                *(_family(name, "gauge", value) for name, value in sorted(now.items())),
            ]
        )


def _family(name: str, kind: str, value: float) -> Family:
    return Family(name, kind, _HELP[name], [({}, value)])
