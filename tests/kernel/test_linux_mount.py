"""Does the kernel mount, clone, move and explain as linux/mount.py and linux/fsmount.py say?"""

import errno
import os
from pathlib import Path

import pytest

from kernel.namespaced import namespaced
from sampan.linux import fsmount, procfs
from sampan.linux.fsmount import MountAttr, MoveMount, OpenTree
from sampan.linux.mount import MountFlag, UmountFlag, mount, pivot_root, umount2
from sampan.linux.sched import CloneFlag
from sampan.linux.statfs import PROC_SUPER_MAGIC, TMPFS_MAGIC, fstatfs_type

pytestmark = pytest.mark.needs_root


def mounted(target: Path | str) -> list[procfs.MountInfo]:
    """What is mounted at a place, the topmost last."""
    return [info for info in procfs.mountinfo() if info.target == str(target)]


def tmpfs(attr: int = 0, **options: str) -> int:
    """A detached tmpfs."""
    fs = fsmount.fsopen("tmpfs")
    for key, value in options.items():
        fsmount.fsconfig_string(fs, key, value)
    fsmount.fsconfig_create(fs)
    fd = fsmount.fsmount(fs, attr)
    os.close(fs)
    return fd


def test_mount_and_umount(tmp_path: Path) -> None:
    def child() -> None:
        flags = MountFlag.NOSUID | MountFlag.NODEV | MountFlag.RDONLY
        mount("named", str(tmp_path), "tmpfs", flags, "size=64k,mode=700")
        (info,) = mounted(tmp_path)
        assert (info.fstype, info.source) == ("tmpfs", "named")
        assert {"ro", "nosuid", "nodev"} <= set(info.options)
        assert "size=64k" in info.super_options
        umount2(str(tmp_path), UmountFlag.NOFOLLOW)
        assert not mounted(tmp_path)

    namespaced(child)
    assert not mounted(tmp_path)


def test_a_bind_that_fails_names_both_paths(tmp_path: Path) -> None:
    def child() -> list[object]:
        try:
            mount(str(tmp_path / "missing"), str(tmp_path), flags=MountFlag.BIND)
        except OSError as error:
            return [error.errno, error.filename, error.filename2]
        return []

    assert namespaced(child) == [errno.ENOENT, str(tmp_path / "missing"), str(tmp_path)]


def test_pivot_root_leaves_the_old_root_behind(tmp_path: Path) -> None:
    def child() -> list[str]:
        fd = tmpfs()
        fsmount.move_mount(fd, "", fsmount.AT_FDCWD, str(tmp_path), MoveMount.F_EMPTY_PATH)
        (tmp_path / "only").mkdir()
        os.fchdir(fd)
        pivot_root(".", ".")
        umount2(".", UmountFlag.DETACH)
        os.chdir("/")
        return os.listdir("/")

    assert namespaced(child) == ["only"]
    assert not (tmp_path / "only").exists()


def test_a_filesystem_is_made_configured_and_attached_by_descriptor(tmp_path: Path) -> None:
    def child() -> None:
        fd = tmpfs(MountAttr.NOSUID | MountAttr.NOEXEC, size="64k", mode="750", source="ours")
        assert not os.get_inheritable(fd)
        assert fstatfs_type(fd) == TMPFS_MAGIC
        assert not mounted(tmp_path)
        place = os.open(tmp_path, os.O_PATH)
        fsmount.move_mount(fd, "", place, "")
        (info,) = mounted(tmp_path)
        assert info.source == "ours"
        assert {"nosuid", "noexec", "rw"} <= set(info.options)
        assert "mode=750" in info.super_options

    namespaced(child)


def test_the_kernel_explains_a_refusal() -> None:
    def child() -> str:
        fs = fsmount.fsopen("tmpfs")
        try:
            fsmount.fsconfig_string(fs, "nonsense", "1")
        except OSError as error:
            return str(error)
        return ""

    assert namespaced(child) == "[Errno 22] Invalid argument: tmpfs: Unknown parameter 'nonsense': 'nonsense=1'"


def test_a_value_longer_than_the_kernel_takes_says_so() -> None:
    def child() -> list[int | None]:
        fs = fsmount.fsopen("tmpfs")
        fsmount.fsconfig_string(fs, "source", "x" * fsmount.STRING_BYTES_MAX)
        try:
            fsmount.fsconfig_string(fs, "source", "x" * (fsmount.STRING_BYTES_MAX + 1))
        except OSError as error:
            ours = error.errno
        try:
            fsmount._fsconfig(fs, fsmount.FsConfig.SET_STRING, "source", "x" * (fsmount.STRING_BYTES_MAX + 1))
        except OSError as error:
            return [ours, error.errno]
        return [ours, 0]

    assert namespaced(child) == [errno.ENAMETOOLONG, errno.EINVAL]


def test_an_unknown_filesystem_is_named() -> None:
    with pytest.raises(OSError, match="'nonsensefs'") as caught:
        fsmount.fsopen("nonsensefs")
    assert caught.value.errno == errno.ENODEV


def test_an_overlay_takes_one_lower_directory_at_a_time(tmp_path: Path) -> None:
    def child() -> list[str]:
        for name in ("a", "b,with:odd\\name", "upper", "work", "merged"):
            (tmp_path / name).mkdir()
        (tmp_path / "a" / "x").write_text("from a")
        (tmp_path / "b,with:odd\\name" / "x").write_text("from b")
        (tmp_path / "b,with:odd\\name" / "y").write_text("from b")
        fs = fsmount.fsopen("overlay")
        for name in ("a", "b,with:odd\\name"):
            fsmount.fsconfig_string(fs, "lowerdir+", str(tmp_path / name))
        fsmount.fsconfig_string(fs, "upperdir", str(tmp_path / "upper"))
        fsmount.fsconfig_string(fs, "workdir", str(tmp_path / "work"))
        fsmount.fsconfig_create(fs)
        fd = fsmount.fsmount(fs)
        fsmount.move_mount(fd, "", fsmount.AT_FDCWD, str(tmp_path / "merged"), MoveMount.F_EMPTY_PATH)
        return [(tmp_path / "merged" / name).read_text() for name in ("x", "y")]

    # tmpfs, so that the upper directory is on something that an overlay accepts wherever the tests run
    assert namespaced(lambda: (mount("t", str(tmp_path), "tmpfs"), child())[1]) == ["from a", "from b"]


def test_a_tree_is_cloned_changed_and_attached_elsewhere(tmp_path: Path) -> None:
    def child() -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        target.mkdir()
        (source / "file").write_text("x")
        fd = fsmount.open_tree(fsmount.AT_FDCWD, str(source), OpenTree.CLONE | OpenTree.AT_RECURSIVE)
        assert not os.get_inheritable(fd)
        fsmount.mount_setattr(
            fd, "", OpenTree.AT_EMPTY_PATH | OpenTree.AT_RECURSIVE,
            set=MountAttr.RDONLY | MountAttr.NOATIME, clear=MountAttr.ATIME, propagation=MountFlag.PRIVATE,
        )  # fmt: skip
        fsmount.move_mount(fd, "", fsmount.AT_FDCWD, str(target), MoveMount.F_EMPTY_PATH)
        assert (target / "file").read_text() == "x"
        (source / "other").write_text("the source stays writable")
        with pytest.raises(OSError, match="Read-only"):
            (target / "other").write_text("x")
        (info,) = mounted(target)
        assert {"ro", "noatime"} <= set(info.options)

    namespaced(child)


def test_a_mounted_filesystem_is_reconfigured(tmp_path: Path) -> None:
    def child() -> None:
        mount("t", str(tmp_path), "tmpfs", data="size=64k")
        fs = fsmount.fspick(fsmount.AT_FDCWD, str(tmp_path))
        fsmount.fsconfig_string(fs, "size", "128k")
        fsmount.fsconfig_flag(fs, "ro")
        fsmount.fsconfig_reconfigure(fs)
        (info,) = mounted(tmp_path)
        assert {"ro", "size=128k"} <= set(info.super_options)

    namespaced(child)


def test_a_private_procfs_shows_its_own_pid_namespace() -> None:
    def child() -> list[str]:
        fs = fsmount.fsopen("proc")
        fsmount.fsconfig_string(fs, "subset", "pid")
        fsmount.fsconfig_create(fs)
        fd = fsmount.fsmount(fs, MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC)
        assert fstatfs_type(fd) == PROC_SUPER_MAGIC
        return sorted(os.listdir(os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)))

    seen = namespaced(child, CloneFlag.NEWNS | CloneFlag.NEWPID)
    assert [name for name in seen if name.isdigit()] == ["1"]
    assert "sys" not in seen
