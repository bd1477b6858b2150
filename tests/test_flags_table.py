"""Is the table of docker's flags what the code does, and is each flag that works used by a test?"""

import re
from pathlib import Path

import flags_table

TESTS = Path(__file__).parent
TABLE = TESTS.parent / "docs" / "flags.md"
# Their effect is on what only some machines have, or would need a second one.
UNTESTED = frozenset(("cpu-rt-period", "cpu-rt-runtime", "link-local-ip"))


def test_the_table_is_what_the_code_does() -> None:
    assert TABLE.read_text() == flags_table.text(), "run: tools/flags_table.py > docs/flags.md"


def test_nothing_of_dockers_is_unknown_here() -> None:
    assert [(command, name) for command, name, result in flags_table.rows() if "unknown flag" in result] == []


def test_each_flag_that_works_is_used_by_a_test() -> None:
    said = "".join(path.read_text() for path in (TESTS / "outside").glob("*.py"))
    missing = set()
    for command, name, result in flags_table.rows():
        if result == "works":
            flag = next(each for each in flags_table.command_of(command).flags if each.name == name)
            short = rf"|(?<![\w-])-\w*{flag.short}\b" if flag.short else ""
            if not re.search(rf"--{name}\b{short}", said):
                missing.add(name)
    assert missing - UNTESTED == set()
