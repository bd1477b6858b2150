"""Do the OCI hooks run where, when and with what the spec says?"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.oci_rig import Bundle, bundles

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox (Debian: busybox-static)"),
]
OUTSIDE = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


@pytest.fixture
def bundle() -> Iterator[Bundle]:
    """A bundle, cleaned up."""
    with bundles() as made:
        yield made


def note(point: str, log: Path) -> dict[str, object]:
    """A hook that notes its point and its state."""
    return {"path": "/bin/sh", "args": ["sh", "-c", f"printf '{point} ' >> {log}; cat >> {log}; echo >> {log}"]}


def test_hooks_run_in_order_with_their_state(bundle: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "hooks"
    hooks: dict[str, object] = {point: [note(point, log)] for point in OUTSIDE}
    hooks["startContainer"] = [note("startContainer", Path("/tmp/inside"))]
    bundle.spec["hooks"] = hooks
    bundle.spec["annotations"] = {"colour": "red"}
    bundle.create("true")
    states = [line.split(" ", 1) for line in log.read_text().splitlines()]
    assert [point for point, _ in states] == ["prestart", "createRuntime", "createContainer"]
    assert {json.loads(state)["status"] for _, state in states} == {"creating"}
    assert not (bundle.rootfs / "tmp/inside").exists()
    pid = bundle.state()["pid"]
    bundle.sampan("start", "box")
    bundle.sampan("delete", "--force", "box")
    points = {
        point: json.loads(state) for point, state in (line.split(" ", 1) for line in log.read_text().splitlines())
    }
    assert list(points) == list(OUTSIDE)
    assert (points["poststart"]["status"], points["poststart"]["pid"]) == ("running", pid)
    assert points["poststop"]["status"] == "stopped"
    assert all(state["annotations"] == {"colour": "red"} for state in points.values())
    assert (bundle.rootfs / "tmp/inside").read_text().startswith("startContainer ")


@pytest.mark.parametrize("point", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"])
def test_a_hook_that_fails_ends_the_container(bundle: Bundle, point: str) -> None:
    bundle.spec["hooks"] = {point: [{"path": "/bin/sh", "args": ["sh", "-c", "echo no way >&2; exit 3"]}]}
    done = bundle.run("true")
    assert done.code == 1
    assert "exit status 3" in done.err and "no way" in done.err
    assert bundle.left() == []


def test_a_failing_poststop_hook_is_a_warning(bundle: Bundle) -> None:
    bundle.spec["hooks"] = {"poststop": [{"path": "/bin/false"}]}
    done = bundle.run("true")
    assert (done.code, "level=warning" in done.err) == (0, True)


def test_a_hook_has_its_own_environment_and_time(bundle: Bundle, tmp_path: Path) -> None:
    seen = tmp_path / "environment"
    bundle.spec["hooks"] = {
        "createRuntime": [{"path": "/usr/bin/env", "args": ["env", "-0"], "env": ["ONLY=this"]}],
        "prestart": [{"path": "/bin/sh", "args": ["sh", "-c", f"env > {seen}"], "env": ["ONLY=this"]}],
    }
    assert bundle.run("true").code == 0
    assert "ONLY=this" in seen.read_text() and "PYTHONHOME" not in seen.read_text()
    bundle.spec["hooks"] = {"prestart": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]}
    assert "timed out" in bundle.run("true").err
    assert bundle.left() == []
