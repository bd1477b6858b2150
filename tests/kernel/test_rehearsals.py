"""Do those who wait walk through what they will do without a trace, and without an error that hides half of it?"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel.namespaced import namespaced
from sampan.linux.sched import CloneFlag
from sampan.runtime import rehearsal, shim, shim_rehearsal
from sampan.runtime.sysctl import path_of

pytestmark = pytest.mark.needs_root
APART = CloneFlag.NEWNS | CloneFlag.NEWNET | CloneFlag.NEWUTS | CloneFlag.NEWIPC
VALUES = [path_of(name) for name, _ in rehearsal.sample().sysctls]


def seen() -> object:
    """What a rehearsal might change: descriptors, children, names, settings, mounts."""
    return (
        len(os.listdir("/proc/self/fd")),
        Path(f"/proc/self/task/{os.getpid()}/children").read_text(),
        os.uname().nodename,
        [Path("/proc/sys", path).read_text() for path in VALUES],
        Path("/proc/self/mountinfo").read_text(),
        [Path(hierarchy.mount + shim_rehearsal.NOWHERE).exists() for hierarchy in shim.HIERARCHIES],
    )


@pytest.mark.parametrize(
    "walk",
    [
        rehearsal.walk,
        rehearsal.walk_apart,
        lambda: shim_rehearsal.keep(shim_rehearsal.ended()),
    ],
    ids=["a starter's", "a starter's in its own namespaces", "a shim's"],
)
def test_nothing_fails_and_nothing_is_left(walk: Callable[[], None]) -> None:
    def inside() -> bool:
        walk()  # modules may keep a descriptor of their own from now on
        before = seen()
        walk()
        return seen() == before

    assert namespaced(inside, APART)
