"""In which order may the limits of a running container change?

Some come in pairs that the kernel checks against each other at every write: on v1 memory may not exceed memory + swap,
and a CPU quota must fit its period. A new container's values are written in one order; an old one's may need the other.
"""

from collections.abc import Sequence

from sampan.runtime.cgroup import Cgroup
from sampan.runtime.plan import CgroupWrite
from sampan.runtime.status import StartFailed

PAIRS = (
    ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    ("cpu.cfs_period_us", "cpu.cfs_quota_us"),
)


def update(cgroup: Cgroup, writes: Sequence[CgroupWrite]) -> None:
    """Set limits that may be in force with other values. Raises StartFailed with the file and the kernel's reason."""
    left = list(writes)
    while left:
        write = left.pop(0)
        partner = next((w for w in left if (write.file, w.file) in PAIRS), None)
        if partner is None:
            cgroup.write([write])
            continue
        left.remove(partner)
        try:
            cgroup.write([write])
        except StartFailed:
            cgroup.write([partner, write])
        else:
            cgroup.write([partner])
