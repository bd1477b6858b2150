"""Do option words become the right attributes?"""

import pytest

from sampan.errors import InvalidRequest
from sampan.linux.cgroupfs import Hierarchy
from sampan.linux.fsmount import MountAttr
from sampan.linux.mount import MountFlag
from sampan.runtime.plan_mounts import plan_cgroup_mount, plan_mount


def options(*words: str, fstype: str = "tmpfs") -> dict[str, object]:
    """A mount entry with these options."""
    return {"destination": "/x", "type": fstype, "source": "s", "options": list(words)}


def test_attributes_are_apart_from_the_filesystems_own_options() -> None:
    planned = plan_mount(options("nosuid", "noexec", "mode=755", "size=64k", "ro"))
    assert planned.set_attributes == MountAttr.NOSUID | MountAttr.NOEXEC | MountAttr.RDONLY
    assert planned.parameters == ("mode=755", "size=64k")


def test_the_last_of_two_opposites_wins() -> None:
    planned = plan_mount(options("ro", "rw", "exec", "noexec"))
    assert planned.set_attributes == MountAttr.NOEXEC
    assert planned.clear_attributes & MountAttr.RDONLY


def test_the_atime_field_is_cleared_before_it_is_set() -> None:
    planned = plan_mount(options("strictatime"))
    assert planned.set_attributes == 0x20
    assert planned.clear_attributes == 0x70


@pytest.mark.parametrize(
    ("words", "kind"),
    [(("bind",), "bind"), (("rbind", "ro"), "tree"), (("remount", "ro"), "remount"), ((), "filesystem")],
)
def test_kinds(words: tuple[str, ...], kind: str) -> None:
    assert plan_mount(options(*words)).kind == kind


def test_recursive_words_are_for_the_whole_tree() -> None:
    planned = plan_mount(options("rbind", "rro", "rnosuid", "rprivate"))
    assert planned.recursive_set == MountAttr.RDONLY | MountAttr.NOSUID
    assert planned.propagation == (int(MountFlag.PRIVATE | MountFlag.REC),)


def test_a_mount_needs_a_type_or_bind() -> None:
    with pytest.raises(InvalidRequest):
        plan_mount({"destination": "/x", "source": "s"})


def test_on_version_2_the_container_sees_its_own_directory() -> None:
    mount = plan_mount(options("ro", fstype="cgroup"))
    unified = (Hierarchy("/sys/fs/cgroup", frozenset({"cpu"}), 2, "/"),)
    (bind,) = plan_cgroup_mount(mount, unified, "/sampan/x", private=True)
    assert (bind.kind, bind.source, bind.set_attributes) == ("bind", "/sys/fs/cgroup/sampan/x", MountAttr.RDONLY)


def test_with_version_1_a_read_only_tmpfs_holds_one_directory_for_each() -> None:
    """A12, A13: every hierarchy is read-only, and so is what holds them."""
    mount = plan_mount(options("ro", fstype="cgroup"))
    tree = (
        Hierarchy("/sys/fs/cgroup/memory", frozenset({"memory"}), 1, "/"),
        Hierarchy("/sys/fs/cgroup/unified", frozenset(), 2, "/"),
    )
    first, *binds, last = plan_cgroup_mount(mount, tree, "/sampan/x", private=False)
    assert first.fstype == "tmpfs"
    assert [bind.target for bind in binds] == ["/x/memory", "/x/unified"]
    assert all(bind.set_attributes & MountAttr.RDONLY for bind in (*binds, last))
    assert last.kind == "remount"
