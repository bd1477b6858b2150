"""Which device nodes does a container get, and which may it use?

`--device /dev/x[:/dev/y[:rwm]]` is a mapping, `--device-cgroup-rule 'c 1:3 rwm'` a rule without a node, --privileged
all nodes of the host. Looking at the host's nodes is done here; the spec is made of them in `spec_resources.py`.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sampan.errors import InvalidRequest, NotFound
from sampan.wire.containers import DeviceMapping

RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")
PERMISSIONS = re.compile(r"[rwm]{0,3}")
# What is made anew for each container, or would lead out of it.
SKIPPED = frozenset(("pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A node: `path` in the container, kind "c" or "b", numbers, permission bits and owner as on the host."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    permissions: str = "rwm"


def check(mappings: Iterable[DeviceMapping], rules: Iterable[str]) -> None:
    """Are these well-formed? Raises InvalidRequest."""
    for mapping in mappings:
        if not PERMISSIONS.fullmatch(mapping.cgroup_permissions):
            raise InvalidRequest(f"invalid device mode: {mapping.cgroup_permissions}")
        if not mapping.path_on_host.startswith("/"):
            raise InvalidRequest(f"invalid device path: {mapping.path_on_host} is not an absolute path")
    for rule in rules:
        if not RULE.fullmatch(rule):
            raise InvalidRequest(f"invalid device cgroup rule format: '{rule}'")


def found(mappings: Sequence[DeviceMapping]) -> Iterator[Device]:
    """The host's nodes for --device; a directory stands for all nodes below it. Raises NotFound."""
    for mapping in mappings:
        source, target = mapping.path_on_host, mapping.path_in_container or mapping.path_on_host
        permissions = mapping.cgroup_permissions or "rwm"
        nodes = list(_nodes(source, target, frozenset()))
        if not nodes:
            raise NotFound(
                f'error gathering device information while adding custom device "{source}": {_reason(source)}'
            )
        for node in nodes:
            yield replace(node, permissions=permissions)


def of_host() -> list[Device]:
    """Every node that a privileged container sees."""
    return list(_nodes("/dev", "/dev", SKIPPED))


def numbers(path: str) -> tuple[int, int]:
    """Major and minor number of a block device. Raises NotFound with dockerd's sentence."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise NotFound(f"stat {path}: {(error.strerror or '').lower()}") from None
    return os.major(status.st_rdev), os.minor(status.st_rdev)


def _nodes(source: str, target: str, skipped: frozenset[str]) -> Iterator[Device]:
    try:
        status = os.stat(source)
        names = sorted(os.listdir(source)) if stat.S_ISDIR(status.st_mode) else []
    except OSError:
        return
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        yield Device(
            path=target,
            kind="c" if stat.S_ISCHR(status.st_mode) else "b",
            major=os.major(status.st_rdev),
            minor=os.minor(status.st_rdev),
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
        )
    for name in names:
        # A link below a directory is passed over: it would give the same node twice, or one from elsewhere.
        if name not in skipped and not os.path.islink(f"{source}/{name}"):
            yield from _nodes(f"{source}/{name}", f"{target}/{name}", skipped)


def _reason(path: str) -> str:
    try:
        os.stat(path)
    except OSError as error:
        return (error.strerror or "").lower()
    return "not a device node"
