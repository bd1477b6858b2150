"""Do those who watch the engine get its numbers, and nothing else?"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import prepare
from engine import Engine
from expect import DETACHED, IMAGE, OUTSIDE
from rawhttp import call

LINE = re.compile(r'(?:# (?:HELP|TYPE) \w+ .*|\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? -?[0-9.e+]+)')


@pytest.fixture(scope="module")
def watched(image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if OUTSIDE:
        pytest.skip("it takes an engine with a socket for metrics")
    engine = Engine("--metrics-addr", f"unix://{tmp_path_factory.mktemp('m')}/metrics.sock")
    try:
        engine.start()
        prepare(engine, image_tar)
        yield engine
    finally:
        found = engine.close()
    assert not found
    assert not Path(engine.flags[1].removeprefix("unix://")).exists()


def test_numbers_come_in_prometheus_format_and_through_a_door_of_their_own(watched: Engine) -> None:
    done = watched.docker(*DETACHED, "--name", "busy", "-m", "64m", "-l", 'x="\\', IMAGE, "sh", "-c", "yes > /dev/null")
    watched.docker("create", "--network", "none", IMAGE)
    path = watched.flags[1].removeprefix("unix://")
    answer = call(path, "GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert 'engine_daemon_container_states_containers{state="running"} 1' in lines
    assert 'engine_daemon_container_states_containers{state="stopped"} 1' in lines
    labels = f'{{id="{done.stdout[:12]}",name="busy",image="{IMAGE}"}}'
    assert f"sampan_container_memory_limit_bytes{labels} {64 << 20}" in lines
    used = next(line for line in lines if line.startswith(f"sampan_container_cpu_seconds_total{labels}"))
    assert float(used.split()[-1]) > 0
    for method, target in (("GET", "/containers/json"), ("POST", "/metrics"), ("GET", "/v1.41/metrics"), ("GET", "/")):
        assert call(path, method, target).status == 404, target
    assert call(watched.socket, "GET", "/metrics").body.decode().splitlines()[:2] == lines[:2]


def test_logs_count_in_what_the_engine_takes_on_disk(watched: Engine) -> None:
    said = watched.docker("run", "--network", "none", "--name", "talks", IMAGE, "sh", "-c", "yes | head -c 300000")
    assert said.code == 0
    assert call(watched.socket, "GET", "/system/df").json()["LogsSize"] >= 300_000
    shown = watched.sampan("system", "df").stdout
    assert re.search(r"Container Logs +\d+ +\d+ +\d+(\.\d+)?[kM]B +0B", shown), shown
    verbose = watched.sampan("system", "df", "-v", "--format", "{{range .Containers}}{{.Names}} {{end}}").stdout
    assert "talks" in verbose
