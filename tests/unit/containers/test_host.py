"""Which limits does a machine have, whether or not somebody has made a cgroup on it before?"""

from pathlib import Path

from sampan.containers.host import supported_limits
from sampan.linux.cgroupfs import Hierarchy

VERSION_1_ROOT = {
    "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"),
    "pids": (),  # the root has no limit, and so no pids.max
    "blkio": ("blkio.bfq.io_serviced", "blkio.throttle.read_bps_device"),
}
VERSION_2_CHILD = ("memory.max", "memory.low", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight", "io.max")


def version_1(root: Path) -> tuple[Hierarchy, ...]:
    """A machine on which nobody has made a cgroup yet."""
    for controller, files in VERSION_1_ROOT.items():
        (root / controller).mkdir()
        for name in files:
            (root / controller / name).touch()
    return tuple(Hierarchy(str(root / name), frozenset({name}), 1, "/") for name in VERSION_1_ROOT)


def test_a_machine_without_any_cgroup_has_its_limits(tmp_path: Path) -> None:
    found = supported_limits(version_1(tmp_path))
    assert found == {"memory", "swap", "reservation", "pids", "blkio_weight", "blkio_weight_device", "blkio_rates"}


def test_version_2_is_believed_until_a_child_shows_otherwise(tmp_path: Path) -> None:
    unified = (Hierarchy(str(tmp_path), frozenset({"memory", "pids", "cpu", "io"}), 2, "/"),)
    bare = supported_limits(unified)
    assert {"memory", "swap", "reservation", "pids", "cpu_cfs", "cpu_shares", "blkio_weight", "blkio_rates"} == bare - {
        "blkio_weight_device"
    }
    (tmp_path / "child").mkdir()
    for name in VERSION_2_CHILD:
        (tmp_path / "child" / name).touch()
    assert supported_limits(unified) == bare - {"blkio_weight", "blkio_weight_device"}
