"""Which plans can a starter do, and which mounts can be made before there is a pid namespace?"""

from dataclasses import replace

from sampan.linux.sched import CloneFlag
from sampan.runtime import rehearsal, rootfs
from sampan.runtime.plan import Hook, Hooks, MountPlan, container_from_json, to_json
from sampan.runtime.starter import fits

SAMPLE = rehearsal.sample()


def mount(target: str, kind: str = "filesystem", fstype: str = "tmpfs") -> MountPlan:
    """One mount of a plan."""
    return MountPlan(kind=kind, target=target, fstype=fstype if kind == "filesystem" else "")


PROC, DEV, SYS = mount("/proc", fstype="proc"), mount("/dev"), mount("/sys", fstype="sysfs")


def test_the_usual_container_fits() -> None:
    assert fits(SAMPLE)
    assert fits(replace(SAMPLE, new_namespaces=int(CloneFlag.NEWNS), joined=((int(CloneFlag.NEWNET), "/n"),)))


def test_user_namespaces_and_outer_hooks_do_not() -> None:
    hooks = (Hook(path="/h"),)
    assert not fits(replace(SAMPLE, new_namespaces=int(CloneFlag.NEWNS | CloneFlag.NEWUSER)))
    assert not fits(replace(SAMPLE, joined=((int(CloneFlag.NEWUSER), "/u"),)))
    assert not fits(replace(SAMPLE, new_namespaces=0, joined=((int(CloneFlag.NEWNS), "/m"),)))
    assert not fits(replace(SAMPLE, hooks=Hooks(prestart=hooks)))
    assert not fits(replace(SAMPLE, hooks=Hooks(create_runtime=hooks)))
    assert fits(replace(SAMPLE, hooks=Hooks(create_container=hooks, poststop=hooks)))


def test_the_sample_of_the_rehearsal_is_a_plan() -> None:
    assert container_from_json(to_json(SAMPLE)) == SAMPLE


def test_only_proc_waits_of_the_usual_mounts() -> None:
    cgroup = [mount("/sys/fs/cgroup"), mount("/sys/fs/cgroup/memory", "bind"), mount("/sys/fs/cgroup", "remount")]
    usual = (PROC, DEV, mount("/dev/pts", fstype="devpts"), SYS, *cgroup, mount("/dev/shm"))
    early, late = rootfs.split(usual)
    assert (early, late) == (usual[1:], (PROC,))


def test_from_the_first_of_the_users_on_all_wait_in_their_order() -> None:
    mine = mount("/data", "bind")
    assert rootfs.split((PROC, DEV, mine, SYS)) == ((DEV,), (PROC, mine, SYS))
    tmpfs = mount("/run")
    assert rootfs.split((DEV, tmpfs, PROC)) == ((DEV,), (tmpfs, PROC))


def test_below_what_the_image_brought_nothing_is_early() -> None:
    """Its /dev or /sys may be a link that leads anywhere, below /proc too."""
    shm = mount("/dev/shm")
    assert rootfs.split((PROC, shm)) == ((), (PROC, shm))
    brought = mount("/dev", "bind")
    assert rootfs.split((PROC, brought, shm)) == ((), (PROC, brought, shm))
