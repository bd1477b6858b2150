"""Does a test of the catalogue notice when its guard is switched off? Each guard of security.toml, in a copy.

All of them take minutes, so that the suite tries a sample and `make soak` the rest. The copy is put before the
installed package with PYTHONPATH, so that nothing in sampan itself has a switch for this.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from expect import OUTSIDE

TESTS = Path(__file__).resolve().parents[1]
REGISTRY = tomllib.loads((TESTS / "security.toml").read_text())
GUARDED = [row for row, entry in REGISTRY.items() if "guard" in entry]
SAMPLE = ("A16", "A40", "C10")  # one of the credentials, one of the filter, one of the layers


def run(row: str, source: Path) -> int:
    """pytest's exit code for the tests of a row, with sampan taken from `source`."""
    nodes = [str(TESTS / node) for node in REGISTRY[row]["tests"]]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes]
    environment = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, check=False)
    return done.returncode


@pytest.mark.needs_root
@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", [pytest.param(r, marks=[] if r in SAMPLE else pytest.mark.soak) for r in GUARDED])
def test_without_its_guard_a_row_fails(tmp_path: Path, row: str) -> None:
    if OUTSIDE:
        pytest.skip("about the guards of our engine")
    guard = REGISTRY[row]["guard"]
    shutil.copytree(TESTS.parent / "src" / "sampan", tmp_path / "sampan", ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path / "sampan" / guard["file"]
    text = target.read_text()
    assert text.count(guard["find"]) == 1
    target.write_text(text.replace(guard["find"], guard["replace"]))
    assert run(row, tmp_path) == 1, "its tests pass without it"
