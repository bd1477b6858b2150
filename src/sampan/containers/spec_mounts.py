"""Which mounts does a container start with, in which order?

Pure; the `mounts` part of the OCI runtime spec. Docker's seven, except those that a mount of the user's takes the place
of; then the user's and the engine's files, fewest path components first, so that no mount hides an earlier one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.containers.mounts import DEFAULT_PROPAGATION, MountPoint
from sampan.wire.containers import HostConfig

SpecMount = dict[str, Any]

# Ours, in an entry of the spec's mounts: the part of the source that is mounted, resolved below it and nowhere else.
SUBPATH = "sampan.subpath"
# What --read-only leaves writable: the kernel's own filesystems, without which programs do not work.
STAYS_WRITABLE = frozenset(("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"))


def mounts(
    asked: HostConfig, points: Sequence[MountPoint], *, files: Mapping[str, str], shm: str = ""
) -> tuple[list[SpecMount], str]:
    """All mounts, and the propagation that the root needs for them ("" for the runtime's default).

    `files` (target → source) yield to the user's mounts; `shm` is the /dev/shm to share in place of a fresh one.
    """
    own = [_mount(point) for point in points]
    taken = {mount["destination"] for mount in own}
    own += [
        _entry(target, "bind", source, "rbind", *(["ro"] if asked.readonly_rootfs else []), "rprivate")
        for target, source in files.items()
        if target not in taken
    ]
    result = [mount for mount in _defaults(asked, shm) if _is_needed(mount["destination"], taken)]
    result += sorted(own, key=lambda mount: mount["destination"].count("/"))
    for mount in result:
        _make_readonly_or_not(mount, asked, is_users=mount["destination"] in taken)
    return result, _root_propagation(points)


def _defaults(asked: HostConfig, shm: str) -> list[SpecMount]:
    fresh_shm = ("nosuid", "noexec", "nodev", "mode=1777", f"size={asked.shm_size}")
    result = [
        _entry("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _entry("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _entry(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
        ),
        _entry("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        _entry("/sys/fs/cgroup", "cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev"),
    ]
    # mqueue shows the queues of the IPC namespace it is mounted in: the host's, too, if that is shared.
    result.append(_entry("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"))
    if asked.ipc_mode == "host":
        shm = "/dev/shm"
    if shm:
        result.append(_entry("/dev/shm", "bind", shm, "rbind", "rprivate"))
    elif asked.ipc_mode != "none":
        result.append(_entry("/dev/shm", "tmpfs", "shm", *fresh_shm))
    return result


def _is_needed(target: str, taken: set[str]) -> bool:
    """A user's mount takes the place of ours, and a user's /dev that of all below it."""
    return target not in taken and not ("/dev" in taken and target.startswith("/dev/"))


def _mount(point: MountPoint) -> SpecMount:
    if point.type == "tmpfs":
        return _entry(point.target, "tmpfs", "tmpfs", *point.options)
    if point.type == "image":
        mount = _entry(point.target, "overlay", "overlay", "ro", *point.options)
    else:
        options = ["rbind" if point.recursive else "bind"]
        if not point.writable:
            options.append("rro" if point.recursive_readonly or point.type == "volume" else "ro")
        mount = _entry(point.target, "bind", point.source, *options, point.propagation or DEFAULT_PROPAGATION)
    if point.subpath:
        mount[SUBPATH] = point.subpath
    if point.maps:
        # The kernel's words are the other way round: from what the disk says to what is seen (mount_setattr(2)).
        maps = [{"containerID": disk, "hostID": seen, "size": count} for seen, disk, count in point.maps]
        mount |= {"uidMappings": maps, "gidMappings": maps}
    return mount


def of_user(points: Sequence[MountPoint]) -> list[SpecMount]:
    """The user's mounts alone, in order: what a container that does not run has for a visitor."""
    return sorted((_mount(point) for point in points), key=lambda mount: str(mount["destination"]).count("/"))


def _make_readonly_or_not(mount: SpecMount, asked: HostConfig, *, is_users: bool) -> None:
    target, options = mount["destination"], mount["options"]
    if asked.readonly_rootfs and not is_users and target not in STAYS_WRITABLE and "ro" not in options:
        options.append("ro")
    if asked.privileged and (target == "/sys" or mount["type"] == "cgroup"):
        mount["options"] = [option for option in options if option != "ro"]


def _root_propagation(points: Sequence[MountPoint]) -> str:
    """A shared or slave mount works only below a root that is no more private than itself."""
    asked = {point.propagation.removeprefix("r") for point in points if point.type == "bind"}
    return "shared" if "shared" in asked else "rslave" if "slave" in asked else ""


def _entry(target: str, kind: str, source: str, *options: str) -> SpecMount:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}
