"""Is a bind's source named by way of the host only where the host shows something else?"""

import os

from sampan.linux.procfs import MountInfo
from sampan.runtime import host_mounts
from sampan.runtime.plan import MountPlan


def mount(target: str, device: str = "8:1", root: str = "/") -> MountInfo:
    return MountInfo(1, 0, device, root, target, (), (), "ext4", "/dev/x", ())


def test_the_part_of_a_mount_table_that_a_path_shows() -> None:
    table = [mount("/"), mount("/mnt", "8:2"), mount("/mnt/deep", "8:3"), mount("/mnt2", "8:4"), mount("/mnt", "8:5")]
    assert host_mounts._part(table, "/mnt") == {("/mnt", "8:5", "/"), ("/mnt/deep", "8:3", "/")}
    assert host_mounts._part(table, "/mnt/other") == {("/mnt", "8:5", "/")}
    assert host_mounts._part(table, "/home") == {("/", "8:1", "/")}
    assert len(host_mounts._part(table, "/")) == 5


def test_what_looks_the_same_from_both_sides_stays_as_it_is() -> None:
    plans = [
        MountPlan(kind="tree", target="/a", source="/usr"),
        MountPlan(kind="tree", target="/etc/hosts", source="/nosuch/hosts"),
        MountPlan(kind="filesystem", target="/b", source="tmpfs", fstype="tmpfs"),
        MountPlan(kind="bind", target="/c", source="/run/own/volumes/x"),
    ]
    assert host_mounts.from_host(plans, os.getpid(), "/run/own") == tuple(plans)
