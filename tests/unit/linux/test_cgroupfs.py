"""Are the cgroup hierarchies of every kind of machine told apart? Golden mountinfo texts of each."""

from pathlib import Path

import pytest

from sampan.linux.cgroupfs import CONTROLLERS_V1, Hierarchy, hierarchies, mode, own_paths, unified_controllers

GOLDEN = Path(__file__).parent / "mountinfo"
V2 = frozenset({"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"})


def found(name: str, controllers: frozenset[str] = V2) -> tuple[Hierarchy, ...]:
    """The hierarchies of a golden text."""
    return hierarchies((GOLDEN / name).read_text(), lambda mount: controllers)


def mounts(name: str, controllers: frozenset[str] = V2) -> dict[str, str]:
    """Controller to mount point."""
    return {controller: h.mount for h in found(name, controllers) for controller in h.controllers}


def test_a_legacy_machine() -> None:
    assert mode(found("legacy")) == "legacy"
    where = mounts("legacy")
    assert where["cpu"] == where["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct"
    assert where["memory"] == "/sys/fs/cgroup/memory"
    assert where["name=systemd"] == "/sys/fs/cgroup/systemd"
    assert where.keys() <= CONTROLLERS_V1 | {"name=systemd"}
    assert {h.version for h in found("legacy")} == {1}


def test_a_hybrid_machine_with_nothing_on_version_2() -> None:
    assert mode(found("hybrid", frozenset())) == "hybrid"
    unified = [h for h in found("hybrid", frozenset()) if h.version == 2]
    assert unified == [Hierarchy("/sys/fs/cgroup/unified", frozenset(), 2, "/")]


def test_a_hybrid_machine_with_one_controller_on_version_2() -> None:
    where = mounts("hybrid-hugetlb", frozenset({"hugetlb"}))
    assert where["hugetlb"] == "/sys/fs/cgroup/unified"
    assert where["pids"] == "/sys/fs/cgroup/pids"
    assert mode(found("hybrid-hugetlb")) == "hybrid"


def test_a_unified_machine() -> None:
    assert found("unified") == (Hierarchy("/sys/fs/cgroup", V2, 2, "/"),)
    assert mode(found("unified")) == "unified"


def test_a_named_hierarchy_does_not_make_a_machine_hybrid() -> None:
    assert mode(found("unified-systemd")) == "unified"


def test_inside_a_container_the_mounts_show_a_part() -> None:
    by_controller = {c: h for h in found("legacy-container") for c in h.controllers}
    assert by_controller["memory"].root == "/docker/0123456789ab"
    assert by_controller["memory"].mount == "/sys/fs/cgroup/memory"


def test_a_hierarchy_mounted_twice_is_there_once() -> None:
    unified = found("unified-twice")
    assert unified == (Hierarchy("/sys/fs/cgroup", V2, 2, "/"),)


def test_no_cgroups_at_all() -> None:
    assert hierarchies("22 27 0:21 / /proc rw,relatime - proc proc rw\n") == ()
    assert mode(()) == "legacy"


def test_own_cgroups() -> None:
    text = "9:name=systemd:/user.slice\n4:memory:/process_api/a7\n2:cpu,cpuacct:/\n0::/user.slice/with:colon\n"
    assert own_paths(text) == {
        "name=systemd": "/user.slice",
        "memory": "/process_api/a7",
        "cpu": "/",
        "cpuacct": "/",
        "": "/user.slice/with:colon",
    }


def test_version_2_controllers_are_read_from_the_mount(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    assert unified_controllers(str(tmp_path)) == {"cpu", "memory", "pids"}


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_root_without_controllers_has_none(tmp_path: Path, text: str) -> None:
    assert unified_controllers(str(tmp_path)) == frozenset()
    (tmp_path / "cgroup.controllers").write_text(text)
    assert unified_controllers(str(tmp_path)) == frozenset()


def test_this_machine_answers() -> None:
    here = hierarchies()
    assert mode(here) == mode() in {"legacy", "hybrid", "unified"}
    assert len({h.mount for h in here}) == len(here)
