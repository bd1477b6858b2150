"""How are the limits of a container changed?

Only what the request names changes (0, "" and null leave a value as it is); a running container gets the new limits at
once, and every container keeps them for its next start.
"""

import dataclasses

from msgspec.structs import replace

from sampan.containers import devices, limits, spec_resources, verify
from sampan.containers.engine import Engine
from sampan.containers.lifecycle import Status
from sampan.errors import Conflict, InvalidRequest, NotSupported
from sampan.wire.containers import HostConfig

# The fields of Docker's UpdateConfig that change something here.
FIELDS = (
    "blkio_weight", "cpu_shares", "cpu_period", "cpu_quota", "cpuset_cpus", "cpuset_mems", "memory",
    "memory_reservation", "memory_swap", "nano_cpus", "pids_limit", "cpu_realtime_period", "cpu_realtime_runtime",
)  # fmt: skip
# What an update cannot change, although the same structure could carry it.
FIXED = (
    "blkio_weight_device", "blkio_device_read_bps", "blkio_device_write_bps", "blkio_device_read_iops",
    "blkio_device_write_iops", "devices", "device_cgroup_rules", "device_requests", "ulimits", "cgroup_parent",
    "memory_swappiness", "oom_kill_disable",
)  # fmt: skip


async def update(engine: Engine, reference: str, asked: HostConfig) -> list[str]:
    """Change limits; returns warnings. Raises InvalidRequest, Conflict or NotSupported; then nothing has changed."""
    for field in FIXED:
        if getattr(asked, field):
            raise NotSupported(f"{field} cannot be changed on an existing container")
    verify.check_restart_policy(asked)
    asked, warnings = limits.settle(asked, engine.host, is_update=True)
    container_id = engine.rows.find(reference).id
    async with engine.lock(container_id):
        container = engine.current(container_id, reference)
        if container.state.status in (Status.REMOVING, Status.DEAD):
            raise Conflict(
                f'Cannot update container {container_id}: container is marked for removal and cannot be "update"'
            )
        try:
            merged = merge(container.host, asked)
        except Conflict as error:
            raise Conflict(f"Cannot update container {container_id}: {error}") from None
        process = engine.processes.get(container_id)
        if process is not None:
            numbers = {path: devices.numbers(path) for path in spec_resources.block_device_paths(merged)}
            await process.update(spec_resources.limits(merged, numbers))
        updated = await engine.rows.save_durably(dataclasses.replace(container, host=merged))
    engine.publish(updated, "update")
    return warnings


def merge(old: HostConfig, asked: HostConfig) -> HostConfig:
    """The old settings under those asked for. Raises Conflict or InvalidRequest when they contradict each other."""
    changed = {field: getattr(asked, field) for field in FIELDS if getattr(asked, field) not in (0, "", None)}
    if asked.pids_limit is not None:
        changed["pids_limit"] = asked.pids_limit
    if old.nano_cpus and (asked.cpu_period or asked.cpu_quota):
        what = "Period" if asked.cpu_period else "Quota"
        raise Conflict(f"Conflicting options: CPU {what} cannot be updated as NanoCPUs has already been set")
    if asked.nano_cpus and (old.cpu_period or old.cpu_quota):
        what = "Period" if old.cpu_period else "Quota"
        raise Conflict(f"Conflicting options: Nano CPUs cannot be updated as CPU {what} has already been set")
    if asked.memory and not asked.memory_swap and -1 < old.memory_swap < asked.memory:
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )
    if asked.restart_policy.name:
        if old.auto_remove and asked.restart_policy.name != "no":
            raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")
        changed["restart_policy"] = asked.restart_policy
    merged: HostConfig = replace(old, **changed)
    if merged.memory_swap > 0 and not merged.memory:
        raise InvalidRequest("You should always set the Memory limit when using Memoryswap limit, see usage")
    return merged
