"""Is every row of the security catalogue held by a test that exists, and does every such test name its rows?"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "sampan"
REGISTRY = tomllib.loads((TESTS / "security.toml").read_text())
ROWS = [
    *(f"A{number:02}" for number in range(1, 48)),
    *(f"B{number:02}" for number in range(1, 16)),
    *(f"C{number:02}" for number in range(1, 25)),
    *(f"D{number:02}" for number in range(1, 15)),
    *(f"E{number:02}" for number in range(1, 21)),
    *(f"G{number:02}" for number in range(1, 19)),
    *(f"H{number:02}" for number in range(1, 19)),
]


def functions(path: Path) -> dict[str, str]:
    """The tests of a file and their docstrings; those of classes as Class::test."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        inside = [(f"{node.name}::", f) for f in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
        for prefix, function in inside:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_"):
                found[prefix + function.name] = ast.get_docstring(function) or ""
    return found


def test_every_row_is_there() -> None:
    assert list(REGISTRY) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests_or_a_reason(row: str) -> None:
    entry = REGISTRY[row]
    assert entry["class"]
    assert bool(entry.get("tests")) != bool(entry.get("later")), "tests, or why there are none yet"
    for node in entry.get("tests", ()):
        path, _, name = node.partition("::")
        assert name in functions(TESTS / path), node


@pytest.mark.parametrize("row", [row for row in ROWS if "guard" in REGISTRY.get(row, {})])
def test_a_guard_is_where_it_is_said_to_be(row: str) -> None:
    guard = REGISTRY[row]["guard"]
    text = (SOURCE / guard["file"]).read_text()
    assert text.count(guard["find"]) == 1, f"{guard['find']!r} is not in {guard['file']} exactly once"


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_security_*.py")), ids=lambda path: path.name)
def test_a_security_test_names_its_rows(path: Path) -> None:
    if path in (Path(__file__), TESTS / "outside" / "test_security_guards.py"):
        return
    listed = {(row, node.partition("::")[2]) for row in ROWS for node in REGISTRY[row].get("tests", ())}
    for name, docstring in functions(path).items():
        rows = re.match(r"((?:[A-H]\d\d ?)+)[(:]", docstring)
        assert rows, f"{name}: its docstring starts with the rows it is about"
        assert any((row, name) in listed for row in rows[1].split()), f"{name} is in no row of security.toml"
