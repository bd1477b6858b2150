"""Does sampan's CLI make of a sample what docker's makes of it?"""

from typing import Any

from sampan.cli.usage import block, cpu_percent, memory, pressure, usage_row

SAMPLE: dict[str, Any] = {
    "name": "/one",
    "id": "f" * 64,
    "cpu_stats": {"cpu_usage": {"total_usage": 400}, "system_cpu_usage": 2000, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    "memory_stats": {"usage": 3 << 20, "limit": 8 << 20, "stats": {"total_inactive_file": 1 << 20}},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"op": "Read", "value": 1500}, {"op": "Write", "value": 7}, {"op": "Total", "value": 1507},
            {"op": "read", "value": 500},
        ]
    },
    "pids_stats": {"current": 5},
    "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 2}, "eth1": {"rx_bytes": 500, "tx_bytes": 0}},
    "pressure": {"cpu": {"some": {"avg10": 12.25}}},
}  # fmt: skip


def test_a_sample_reads_as_docker_reads_it() -> None:
    assert cpu_percent(SAMPLE) == 60.0
    assert memory(SAMPLE) == 2 << 20
    assert block(SAMPLE) == (2000, 7)
    assert pressure(SAMPLE, "cpu") == "12.25%"
    assert pressure(SAMPLE, "io") == ""
    assert usage_row("one", SAMPLE, full=False).as_json() == {
        "Container": "one", "Name": "one", "ID": "f" * 12, "CPUPerc": "60.00%", "MemUsage": "2MiB / 8MiB",
        "MemPerc": "25.00%", "NetIO": "1.5kB / 2B", "BlockIO": "2kB / 7B", "PIDs": "5",
    }  # fmt: skip


def test_what_is_not_known_is_a_dash() -> None:
    row = usage_row("one", None, full=True).as_json()
    assert (row["ID"], row["CPUPerc"], row["MemUsage"], row["PIDs"]) == ("--", "--", "-- / --", "--")
