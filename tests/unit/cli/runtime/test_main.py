"""Do words become calls, and failures runc's exit codes?"""

import json
from pathlib import Path

import pytest

from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.cli.runtime.main import doubled, main
from sampan.cli.runtime.table import COMMANDS, load


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(name).usage is not None
    assert main([name, "--help"]) == 0
    assert f"sampan runtime {name}" in capsys.readouterr().out


def test_wrong_words_have_runcs_codes(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 3
    assert main(["state"]) == 1
    assert main(["list", "--colour"]) == 1
    assert main(["--colour"]) == 1
    assert main(["--systemd-cgroup", "list"]) == 1
    assert main(["--rootless", "true", "list"]) == 1
    assert "flag provided but not defined: -colour" in capfd.readouterr().err


def test_without_words_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert main(["--version"]) == 0
    assert "COMMANDS" in capsys.readouterr().out


def test_features_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "time" in found["linux"]["namespaces"] and "rro" in found["mountOptions"]


def test_spec_writes_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "-b", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "config.json").read_text())["root"]["path"] == "rootfs"
    assert main(["spec", "-b", str(tmp_path)]) == 1
    assert "File config.json exists. Remove it first" in capfd.readouterr().err


def test_one_dash_is_as_good_as_two() -> None:
    flags = (Flag("root", TEXT, "", short="r"), Flag("debug", SWITCH, ""))
    said = doubled(flags, ["-root", "-debug", "-debug", "exec"], interspersed=False)
    assert said == ["--root", "-debug", "--debug", "exec"]
    said = doubled(flags, ["-root=/x", "-r", "y", "-debug", "c", "-debug"], interspersed=False)
    assert said == ["--root=/x", "-r", "y", "--debug", "c", "-debug"]
    assert doubled(flags, ["c", "-debug", "--", "-debug"], interspersed=True) == ["c", "--debug", "--", "-debug"]
    assert doubled(flags, ["c", "-debug"], interspersed=False) == ["c", "-debug"]
