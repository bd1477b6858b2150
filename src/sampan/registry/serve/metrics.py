"""What does the registry count, and how does Prometheus read it?

The text format 0.0.4 (prometheus.io, "Exposition formats"). Labels take only values from fixed sets, so there is never
more than a handful of series.
"""

import time
from collections import Counter

SECONDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The registry's counters; for the event loop only."""

    def __init__(self) -> None:
        self._started = time.time()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._durations: Counter[float] = Counter()
        self._seconds = 0.0
        self._counters: Counter[str] = Counter()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[method, route, status] += 1
        self._seconds += seconds
        for bound in SECONDS:
            if seconds <= bound:
                self._durations[bound] += 1

    def received(self, size: int) -> None:
        """Bytes of a blob have come in."""
        self._counters["registry_received_bytes_total"] += size

    def sent(self, size: int) -> None:
        """A blob or manifest of so many bytes has been asked for."""
        self._counters["registry_served_bytes_total"] += size

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter of one's own."""
        self._counters[name] += amount

    def text(self, gauges: dict[str, float]) -> str:
        """Everything, as Prometheus reads it."""
        lines = ["# TYPE registry_requests_total counter"]
        lines += [
            f'registry_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(self._requests.items())
        ]
        total = sum(self._requests.values())
        lines.append("# TYPE registry_request_duration_seconds histogram")
        lines += [f'registry_request_duration_seconds_bucket{{le="{b}"}} {self._durations[b]}' for b in SECONDS]
        lines.append(f'registry_request_duration_seconds_bucket{{le="+Inf"}} {total}')
        lines.append(f"registry_request_duration_seconds_sum {self._seconds:.6f}")
        lines.append(f"registry_request_duration_seconds_count {total}")
        for name, amount in sorted(self._counters.items()):
            lines += [f"# TYPE {name} counter", f"{name} {amount}"]
        for name, value in sorted((gauges | {"process_start_time_seconds": self._started}).items()):
            lines += [f"# TYPE {name} gauge", f"{name} {value:.10g}"]
        return "\n".join(lines) + "\n"
