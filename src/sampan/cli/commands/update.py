"""sampan update: change the limits and the restart policy of containers."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.create.flags import RESOURCES
from sampan.cli.create.resources import restart_policy
from sampan.cli.each import for_each
from sampan.cli.flags import TEXT, Flag
from sampan.client.engine import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIELDS = {
    "blkio-weight": "BlkioWeight",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
    "pids-limit": "PidsLimit",
}
FLAGS = (
    *(flag for flag in RESOURCES if flag.name in FIELDS),
    Flag("restart", TEXT, "Restart policy to apply when a container exits"),
)


def run(call: Call) -> int:
    """docker update: only what was given is sent, what was not stays as it is."""
    options = call.options
    body: dict[str, Any] = {field: options[flag] for flag, field in FIELDS.items() if options.given(flag)}
    if options["restart"]:
        body["RestartPolicy"] = restart_policy(options["restart"])
    if not body:
        raise Failure("you must provide one or more flags when using this command: for example --memory 512m")
    warnings: list[str] = []

    def update(name: str) -> None:
        answer = call.engine.post(named("containers", name, "update"), body=body)
        warnings.extend((answer or {}).get("Warnings") or ())

    code = for_each(call, call.arguments, update)
    for warning in warnings:
        call.out.line(warning)
    return code


COMMAND = Command("[OPTIONS] CONTAINER [CONTAINER...]", run, least=1, most=ANY, flags=FLAGS)
