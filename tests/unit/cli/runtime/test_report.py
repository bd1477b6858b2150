"""Are messages written as logrus writes them?"""

import json
from pathlib import Path

import pytest

from sampan.cli.runtime.report import Report, line
from sampan.errors import InvalidRequest


def test_a_line_of_text_is_quoted_where_it_must_be() -> None:
    assert line("error", 'say "x"', "text", moment=0).endswith(' level=error msg="say \\"x\\""\n')
    assert line("warning", "word", "text", moment=0).endswith(" level=warning msg=word\n")


def test_a_line_of_json_has_runcs_fields() -> None:
    entry = json.loads(line("error", "a\nb", "json", moment=0))
    assert (entry["level"], entry["msg"], set(entry)) == ("error", "a\nb", {"level", "msg", "time"})


def test_a_terminal_sees_no_control_characters() -> None:
    assert line("error", "a\x1b[2J", "text", terminal=True) == "ERRO[0000] a\\x1b[2J\n"


def test_a_log_gets_debugging_only_when_asked(tmp_path: Path) -> None:
    for verbose in (False, True):
        path = tmp_path / f"log{verbose}"
        Report(str(path), "json", verbose=verbose).debug("x")
        assert bool(path.read_text()) == verbose


def test_an_unknown_format_or_a_bad_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        Report("", "xml")
    with pytest.raises(InvalidRequest, match="no such file"):
        Report(str(tmp_path / "no" / "log"))
