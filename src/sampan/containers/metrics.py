"""Which numbers does the engine count for whoever watches it over time?

dockerd's names (engine_daemon_…) for the engine as a whole, sampan_container_… for what each running container uses.
Counters begin at 0 with the daemon.
"""

from collections.abc import Callable, Mapping, Sequence

from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.containers.model import Container
from sampan.linux import procfs
from sampan.runtime.usage import UNLIMITED, Usage
from sampan.wire.metrics import Family

Labels = Mapping[str, str]
NANO = 1e-9

# name, kind, help, value
PER_CONTAINER: Sequence[tuple[str, str, str, Callable[[Usage], float | None]]] = (
    ("cpu_seconds_total", "counter", "Processor time used", lambda usage: usage.cpu_ns * NANO),
    ("cpu_throttled_seconds_total", "counter", "Time held back by the CPU limit",
     lambda usage: usage.throttled_ns * NANO),
    ("memory_usage_bytes", "gauge", "Memory in use, page cache included", lambda usage: usage.memory),
    ("memory_limit_bytes", "gauge", "Memory limit", lambda usage: usage.memory_limit if _is_set(usage) else None),
    ("memory_failures_total", "counter", "Times that the memory limit was hit", lambda usage: usage.memory_failures),
    ("pids", "gauge", "Processes and threads", lambda usage: usage.pids),
)  # fmt: skip


def _is_set(usage: Usage) -> bool:
    # Version 1 says "no limit" with the largest number of pages.
    return usage.memory_limit != UNLIMITED and usage.memory_limit < 1 << 62


def families(engine: Engine) -> list[Family]:
    """Everything, now; reads some files for each running container, and may be called from any thread."""
    containers = engine.rows.all()
    running = [container for container in containers if container.id in engine.processes]
    return [*_engine(engine, containers), *_usage(engine, running), *_networks(running)]


def _engine(engine: Engine, containers: Sequence[Container]) -> list[Family]:
    paused = sum(container.state.status is Status.PAUSED for container in containers)
    running = sum(container.state.is_running for container in containers) - paused
    states: list[tuple[Labels, float]] = [
        ({"state": "paused"}, paused),
        ({"state": "running"}, running),
        ({"state": "stopped"}, len(containers) - running - paused),
    ]
    restarts: list[tuple[Labels, float]] = [
        (_labels(container), container.state.restart_count)
        for container in containers
        if container.host.restart_policy.name not in ("", "no")
    ]
    healths: list[tuple[Labels, float]] = [
        ({**_labels(container), "status": known.verdict.value}, 1)
        for container in containers
        if (known := engine.health.get(container.id)) is not None
    ]
    prefix = "engine_daemon_"
    return [
        Family(f"{prefix}container_states_containers", "gauge", "The count of containers in various states", states),
        Family(f"{prefix}engine_cpus_cpus", "gauge", "The number of CPUs of the host", [({}, engine.host.cpu_count)]),
        Family(f"{prefix}engine_memory_bytes", "gauge", "The memory of the host", [({}, engine.host.memory_bytes)]),
        Family(f"{prefix}events_total", "counter", "The number of events", [({}, engine.events.total)]),
        Family(f"{prefix}health_checks_total", "counter", "The total number of health checks",
               [({}, engine.counts["health_checks"])]),
        Family(f"{prefix}health_checks_failed_total", "counter", "The total number of failed health checks",
               [({}, engine.counts["health_checks_failed"])]),
        Family("sampan_container_restarts", "gauge", "Restarts by the policy since somebody started it", restarts),
        Family("sampan_container_health", "gauge", "What the health check says", healths),
    ]  # fmt: skip


def _usage(engine: Engine, running: Sequence[Container]) -> list[Family]:
    found: list[tuple[Labels, Usage]] = []
    for container in running:
        process = engine.processes.get(container.id)
        try:
            if process is not None:
                found.append((_labels(container), process.usage()))
        except FileNotFoundError:
            continue  # it has just ended
    result = []
    for name, kind, text, value in PER_CONTAINER:
        samples = [(labels, number) for labels, usage in found if (number := value(usage)) is not None]
        result.append(Family(f"sampan_container_{name}", kind, text, samples))
    transfers: list[tuple[Labels, float]] = [
        ({**labels, "device": f"{each.major}:{each.minor}", "operation": each.operation.lower()}, each.value)
        for labels, usage in found
        for each in usage.bytes
    ]
    waits: list[tuple[Labels, float]] = [
        ({**labels, "resource": resource}, pressure.some.get("total", 0) * 1e-6)
        for labels, usage in found
        for resource, pressure in usage.pressure.items()
    ]
    return [
        *result,
        Family("sampan_container_block_bytes_total", "counter", "Bytes read from and written to disks", transfers),
        Family("sampan_container_waiting_seconds_total", "counter", "Time in which somebody waited (PSI)", waits),
    ]


def _networks(running: Sequence[Container]) -> list[Family]:
    received: list[tuple[Labels, float]] = []
    sent: list[tuple[Labels, float]] = []
    for container in running:
        if container.host.network_mode in ("host", "none"):
            continue
        try:
            interfaces = procfs.interface_counters(container.state.pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        for name, counters in interfaces.items():
            labels = {**_labels(container), "interface": name}
            received.append((labels, counters["rx_bytes"]))
            sent.append((labels, counters["tx_bytes"]))
    return [
        Family("sampan_container_network_receive_bytes_total", "counter", "Bytes received", received),
        Family("sampan_container_network_transmit_bytes_total", "counter", "Bytes sent", sent),
    ]


def _labels(container: Container) -> Labels:
    return {"id": container.id[:12], "name": container.name, "image": container.config.image}
