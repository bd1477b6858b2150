"""What can be walked through before there is an order?

Everything that a start touches for the first time costs it a page fault: the interpreter counts references in the
objects themselves, so even looking at one copies its page after a fork. A starter that waits therefore does once, with
a container that nobody asked for, what it will do again, as far as that leaves no trace: reading a plan, making
detached mounts, resolving paths, writing to files that ignore it. The zygote does so, too, before the first fork, since
the interpreter also notes in its own code what it has learned about it.
"""

import json
import os
from dataclasses import replace

from sampan.linux.capability import last_cap
from sampan.linux.cgroupfs import Hierarchy
from sampan.linux.fsmount import OpenTree, fsconfig_create, fsmount, fsopen, mount_setattr, open_tree
from sampan.linux.inside import mkdirs_in_root, open_in_root
from sampan.linux.sched import CloneFlag
from sampan.oci.mount import Mount
from sampan.runtime import init, masks, rootfs, users
from sampan.runtime.cgroup import Cgroup, write_file
from sampan.runtime.hooks import state_of
from sampan.runtime.overlay import make_overlay
from sampan.runtime.plan import (
    Capabilities,
    CgroupPlan,
    CgroupWrite,
    ContainerPlan,
    Device,
    DeviceRule,
    MountPlan,
    ProcessPlan,
    User,
    container_from_json,
    to_json,
)
from sampan.runtime.status import StartFailed
from sampan.runtime.sysctl import path_of

AT_EMPTY_PATH = 0x1000


def sample() -> ContainerPlan:
    """A container of the usual shape."""
    quiet = 0xE
    return ContainerPlan(
        id="rehearsal",
        process=ProcessPlan(
            argv=("true",),
            env=("PATH=/bin", "HOSTNAME=rehearsal"),
            user=User(name="0"),
            capabilities=Capabilities(bounding=0xA80425FB, effective=0xA80425FB, permitted=0xA80425FB),
            rlimits=(("RLIMIT_NOFILE", 1, 1),),
        ),
        new_namespaces=int(CloneFlag.NEWNS | CloneFlag.NEWPID | CloneFlag.NEWNET),
        mounts=(
            MountPlan(kind="filesystem", target="/dev", source="tmpfs", fstype="tmpfs", parameters=("mode=755",)),
            MountPlan(kind="filesystem", target="/sys", source="sysfs", fstype="sysfs", set_attributes=quiet | 1),
            MountPlan(kind="filesystem", target="/dev/mqueue", fstype="mqueue", set_attributes=quiet),
            MountPlan(kind="bind", target="/etc/hosts", source="/dev/null", propagation=(1 << 18,)),
        ),
        devices=(Device(path="/dev/null", kind="c", major=1, minor=3, mode=0o666),),
        masked_paths=("/proc/acpi",),
        readonly_paths=("/proc/bus",),
        sysctls=(("net.ipv4.ip_unprivileged_port_start", "1024"),),  # what it is in a new network
        hostname="rehearsal",
        cgroup=CgroupPlan(
            path="/rehearsal",
            writes=(CgroupWrite(controller="memory", file="memory.max", value="1"),),
            devices=(DeviceRule(allow=False, kind="a", major=-1, minor=-1, access="rwm"),),
        ),
        annotations=(("a", "b"),),
    )


def rehearse() -> None:
    """Walk through it. Whatever fails here will say so when it matters."""
    try:
        walk()
    except OSError:
        pass


def walk() -> None:
    """The rehearsal itself. Raises OSError."""
    plan = container_from_json(json.loads(json.dumps(to_json(sample()))))
    state_of(plan, "creating", os.getpid())
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    rootfs.split(plan.mounts)
    for mount in plan.mounts:
        source = rootfs.detached(mount)
        mount_setattr(source, "", AT_EMPTY_PATH, propagation=1 << 18)
        os.close(source)
    for path in ("/dev", "/proc/self"):
        os.close(mkdirs_in_root(root, path, 0o755))
        os.close(open_in_root(root, path, os.O_PATH))
    null = masks.open_null()
    os.close(open_tree(null, "", OpenTree.CLONE | OpenTree.CLOEXEC | OpenTree.AT_EMPTY_PATH))
    os.close(null)
    write_file("/dev/null", "0")
    users.resolve(plan.process.user, root)
    path_of(plan.sysctls[0][0])
    last_cap()
    os.close(root)


def rehearse_apart() -> None:
    """Go on, in a process with network, uts and ipc namespaces of its own: what would be seen in others."""
    try:
        walk_apart()
    except (OSError, StartFailed):
        pass  # an older kernel makes no overlay of what is mounted nowhere


def walk_apart() -> None:
    """The rehearsal itself. Raises OSError, StartFailed."""
    plan = replace(sample(), hostname=os.uname().nodename)  # a plan without a name keeps the machine's
    init.host_side(plan)
    directory = scratch()
    try:
        _make_cgroup(plan.cgroup, f"/proc/self/fd/{directory}")
        os.close(_make_overlay(f"/proc/self/fd/{directory}"))
    finally:
        os.close(directory)


def scratch() -> int:
    """The root of a tmpfs that is mounted nowhere."""
    context = fsopen("tmpfs")
    try:
        fsconfig_create(context)
        return fsmount(context)
    finally:
        os.close(context)


def _make_cgroup(plan: CgroupPlan, directory: str) -> None:
    """Like one of version 1, in which all that is written stays as it is."""
    cgroup = Cgroup((Hierarchy(directory, frozenset({"memory", "devices"}), 1, "/"),), plan.path)
    os.mkdir(directory + plan.path)
    for name in ("tasks", "devices.allow", "devices.deny", *(write.file for write in plan.writes)):
        os.close(os.open(f"{directory}{plan.path}/{name}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    cgroup.create(plan)
    for fd in cgroup.open_to_join():
        os.close(fd)


def _make_overlay(directory: str) -> int:
    for name in ("lower", "upper", "work"):
        os.mkdir(f"{directory}/{name}")
    options = (f"lowerdir+={directory}/lower", f"upperdir={directory}/upper", f"workdir={directory}/work")
    return make_overlay(Mount(target="/", type="overlay", options=(*options, "redirect_dir=nofollow", "metacopy=off")))
