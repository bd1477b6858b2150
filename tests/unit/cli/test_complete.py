"""What is proposed for the last word of a command line? No engine runs here, so no names are."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Said

Sampan = Callable[..., Said]


def proposed(sampan: Sampan, *words: str) -> list[str]:
    """The candidates for the last word."""
    said = sampan("-H", "unix:///nonexistent", "__complete", *words)
    assert (said.code, said.err) == (0, "")
    return [line.partition("\t")[0] for line in said.out.splitlines()]


def test_commands(sampan: Sampan) -> None:
    assert proposed(sampan, "ru") == ["run", "runtime"]
    assert {"run", "ps", "container"} <= set(proposed(sampan, ""))
    assert proposed(sampan, "container", "l") == ["logs", "ls"]
    assert proposed(sampan, "container", "rm", "--f") == ["--force"]


def test_flags_and_their_values(sampan: Sampan) -> None:
    assert proposed(sampan, "run", "--cap-") == ["--cap-add", "--cap-drop"]
    assert "--kernel-memory" not in proposed(sampan, "run", "--")
    assert proposed(sampan, "run", "--name", "") == []
    assert proposed(sampan, "completion", "z") == ["zsh"]


def test_a_command_may_have_members_too(sampan: Sampan) -> None:
    assert {"publish"} <= set(proposed(sampan, "port", "pub"))
    assert proposed(sampan, "network", "con") == ["connect"]
    assert proposed(sampan, "network", "connect", "--rate-") == ["--rate-in", "--rate-out"]


def test_without_an_engine_there_are_no_names_and_no_errors(sampan: Sampan) -> None:
    assert proposed(sampan, "rm", "") == []
    assert proposed(sampan, "bogus", "") == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path) -> None:
    launcher = tmp_path / "sampan"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sampan "$@"\n')
    launcher.chmod(0o755)
    script = """
        source <(sampan completion bash)
        COMP_WORDS=(sampan container ls --no-t) COMP_CWORD=3
        _sampan
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "--no-trunc\n"
