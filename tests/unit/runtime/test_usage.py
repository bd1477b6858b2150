"""Are the kernel's counters read as the kernel means them, under either version?"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.linux.cgroupfs import Hierarchy
from sampan.runtime.usage import TICK_NS, UNLIMITED, Transfer, io_stat, look, pairs, transfers

FILES_1 = {
    "cpuacct.usage": "1500000000\n",
    "cpuacct.usage_percpu": "1000000000 500000000 \n",
    "cpuacct.stat": "user 100\nsystem 50\n",
    "cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 77\n",
    "memory.usage_in_bytes": "4096\n",
    "memory.max_usage_in_bytes": "8192\n",
    "memory.limit_in_bytes": "9223372036854771712\n",
    "memory.failcnt": "2\n",
    "memory.stat": "cache 1\ntotal_inactive_file 5\n",
    "pids.current": "3\n",
    "pids.max": "max\n",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n",
}
FILES_2 = {
    "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 4\nnr_throttled 1\nthrottled_usec 9\n",
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.stat": "anon 1\ninactive_file 5\n",
    "memory.events": "low 0\noom 2\noom_kill 1\n",
    "pids.current": "3\n",
    "pids.max": "100\n",
    "io.stat": "8:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=0 dios=0\n253:0 \n",
    "memory.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 total=7\n",
}


def group(mount: Path, files: dict[str, str], version: int, *controllers: str) -> Hierarchy:
    (mount / "one").mkdir(parents=True)
    for name, content in files.items():
        (mount / "one" / name).write_text(content)
    return Hierarchy(str(mount), frozenset(controllers), version, "/")


def test_version_1_and_the_rest_of_a_hybrid_machine(tmp_path: Path) -> None:
    old = group(tmp_path / "old", FILES_1, 1, "cpu", "cpuacct", "memory", "pids", "blkio")
    new = group(tmp_path / "new", {"memory.pressure": FILES_2["memory.pressure"]}, 2)
    usage = look((old, new), "/one")
    assert (usage.cpu_ns, list(usage.per_cpu_ns), usage.cpu_user_ns) == (
        1_500_000_000,
        [10**9, 5 * 10**8],
        100 * TICK_NS,
    )
    assert (usage.periods, usage.throttled_periods, usage.throttled_ns) == (10, 3, 77)
    assert (usage.memory, usage.memory_peak, usage.memory_failures, usage.memory_version) == (4096, 8192, 2, 1)
    assert (usage.pids, usage.pids_limit) == (3, UNLIMITED)
    assert Transfer(major=8, minor=0, operation="Read", value=4096) in usage.bytes
    assert usage.pressure["memory"].some == {"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "total": 12.0}


def test_version_2(tmp_path: Path) -> None:
    usage = look((group(tmp_path, FILES_2, 2, "cpu", "memory", "pids", "io"),), "/one")
    assert (usage.cpu_ns, usage.cpu_kernel_ns, usage.throttled_ns) == (1_500_000, 500_000, 9000)
    assert (usage.memory, usage.memory_limit, usage.memory_failures) == (4096, UNLIMITED, 2)
    assert (usage.pids, usage.pids_limit, usage.memory_version) == (3, 100, 2)
    assert [(each.operation, each.value) for each in usage.bytes] == [("read", 4096), ("write", 1)]
    assert [(each.operation, each.value) for each in usage.operations] == [("read", 2), ("write", 3)]


def test_a_cgroup_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look((), "/one")


@given(st.text(alphabet="0123456789: \nRTreadotlwsb=max", max_size=80))
def test_words_that_no_kernel_has_written_yet_are_passed_over(text: str) -> None:
    assert all(value >= 0 for value in pairs(text).values())
    assert all(each.value >= 0 for listed in io_stat(f"8:0 {text}") for each in listed)
    assert transfers("8:0 Read 4096\nTotal 4096\n") == (Transfer(major=8, minor=0, operation="Read", value=4096),)
