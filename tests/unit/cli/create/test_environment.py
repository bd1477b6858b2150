"""What does a file of variables say?"""

from pathlib import Path

import pytest

from sampan.cli.command import Failure
from sampan.cli.create.environment import read_file


def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPAN_A", "ours")
    monkeypatch.delenv("SAMPAN_B", raising=False)
    path = tmp_path / "env"
    path.write_bytes("\ufeff# comment\n\n A=1\nB= x y \nSAMPAN_A\nSAMPAN_B\nC=\n".encode())
    assert read_file(str(path), inherit=True) == ["A=1", "B= x y ", "SAMPAN_A=ours", "C="]
    assert read_file(str(path), inherit=False) == ["A=1", "B= x y ", "C="]


@pytest.mark.parametrize(
    ("content", "problem"), [(b"=x", "invalid variable name"), (b"a b=1", "whitespace"), (b"\xff", "not UTF-8")]
)
def test_bad_lines(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "env"
    path.write_bytes(content)
    with pytest.raises(Failure, match=problem):
        read_file(str(path), inherit=True)
