"""sampan update: change the limits and the restart policy of containers, and by making them anew everything else."""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command, Failure
from sampan.cli.create.flags import CREATE_FLAGS
from sampan.cli.create.resources import restart_policy
from sampan.cli.each import for_each
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
# Flags of create that make no sense for a container that is there, or that name it.
NOT_HERE = frozenset(
    ("name", "cidfile", "pull", "platform", "quiet", "disable-content-trust", "use-api-socket", "attach", "rm")
)
IN_PLACE = (*FIELDS, "restart")
FLAGS = tuple(flag for flag in CREATE_FLAGS if flag.name not in NOT_HERE)


def run(call: Call) -> int:
    """docker update: only what was given is sent, what was not stays as it is.

    What no engine can change in place (variables, volumes, ports, …) is changed by making the container anew.
    """
    options = call.options
    if any(options.given(flag.name) for flag in FLAGS if flag.name not in IN_PLACE):
        from sampan.cli.recreate import recreate

        return for_each(call, call.arguments, lambda name: recreate(call, name))
    body: dict[str, Any] = {field: options[flag] for flag, field in FIELDS.items() if options.given(flag)}
    if options.given("restart"):
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
