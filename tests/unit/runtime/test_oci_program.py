"""Are another runtime's own words found, whatever it wrote?"""

from pathlib import Path

import pytest

from sampan.runtime.oci_driver import worded
from sampan.runtime.oci_program import last_error
from sampan.runtime.status import StartFailed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"level":"error","msg":"first"}\n{"level":"error","msg":"last"}\n{"level":"info","msg":"no"}\n', "last"),
        ('{"level":"warning","msg":"no"}\n', ""),
        ('{"level":"error","msg":"whole"}\n{"level":"error","ms', "whole"),
        ('[1]\n{"level":"error","msg":7}\n\xff' + "[" * 100_000, ""),
        ("", ""),
    ],
)
def test_the_last_error_of_a_log(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "log").write_text(text)
    assert last_error(str(tmp_path / "log")) == found


def test_no_log_is_no_reason(tmp_path: Path) -> None:
    assert last_error(str(tmp_path / "log")) == ""


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('exec: "sh": executable file not found in $PATH', 127),
        ('exec: "sh": stat sh: no such file or directory', 127),
        ('exec: "sh": permission denied', 126),
        ("cgroups are broken", 128),
    ],
)
def test_its_words_have_dockers_codes(said: str, code: int) -> None:
    error = worded("failed: {}: unknown", StartFailed(said), "sh")
    assert (str(error), error.exit_code) == (f"failed: {said}: unknown", code)
