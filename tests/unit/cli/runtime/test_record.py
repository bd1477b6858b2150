"""Is the record of a container kept, and its state derived from the process it names?"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from sampan.cli.runtime.record import Container, Record, Store, check_id, is_alive
from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.linux import procfs
from sampan.runtime.plan import CgroupPlan, ContainerPlan, ProcessPlan

OWN = (os.getpid(), procfs.start_time())


def record(name: str, *, creator: tuple[int, int] = OWN) -> Record:
    """A record of a container that has no process yet."""
    plan = ContainerPlan(
        id=name, process=ProcessPlan(argv=("true",)), new_namespaces=0, cgroup=CgroupPlan(path="/sampan-nowhere")
    )
    return Record(
        plan=plan, process={"args": ["true"]}, rootfs="/r", created="", boot=procfs.boot_id(), creator=creator
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "root"))
    assert store.all() == []
    made = store.add(record("box"))
    assert store.get("box") == made
    assert [container.id for container in store.all()] == ["box"]
    with pytest.raises(Conflict, match="already exists"):
        store.add(record("box"))
    store.remove("box")
    store.remove("box")
    with pytest.raises(NotFound, match="container does not exist"):
        store.get("box")


def test_the_state_follows_from_the_process(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    made = store.add(record("box"))
    assert made.status() == "creating"
    assert Container(made.directory, record("box", creator=(OWN[0], 1))).status() == "stopped"
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        begun = made.begun(process.pid)
        os.mkfifo(begun.fifo)
        assert begun.status() == "created"
        os.unlink(begun.fifo)
        assert store.get("box").status() == "running"
        assert begun.state()["pid"] == process.pid
    assert begun.status() == "stopped"
    assert begun.state()["pid"] == 0


def test_a_pid_alone_is_nobody() -> None:
    assert is_alive(*OWN)
    assert not is_alive(OWN[0], OWN[1] + 1)


def test_a_damaged_record_says_so(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    made = store.add(record("box"))
    for text in ("", "[]", "{}", json.dumps({"plan": 5})):
        (Path(made.directory) / "state.json").write_text(text)
        with pytest.raises(Conflict, match="damaged"):
            store.get("box")
    assert store.all() == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ü", "a\n", "x" * 256])
def test_what_may_not_be_a_name(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_id(name)


@pytest.mark.parametrize("name", ["a", "a.b-c_d+e", "..a", "0" * 64])
def test_what_may_be_a_name(name: str) -> None:
    check_id(name)
