"""Does the source keep the rules of CONTRIBUTING? Ranks, doors, names, sizes, docstrings, read from syntax trees."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STDLIB = sys.stdlib_module_names
SOURCE = ROOT / "src" / "sampan"
FILES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# A package imports lower ranks only, never its equals.
RANKS = {
    "errors": 0,
    "oci": 1, "wire": 1,
    "linux": 2, "db": 2, "events": 2,
    "content": 3, "layers": 3, "snapshots": 3, "volumes": 3, "networks": 3, "runtime": 3,
    "registry": 4,
    "images": 5,
    "containers": 6, "builder": 6,
    "api": 7,
    "daemon": 8,
}  # fmt: skip
# The tower that talks HTTP: these import each other and what is pure, nothing of the engine.
TOWER = {"client", "compose", "cli"}
TOWER_MAY = TOWER | {"errors", "oci", "wire"}
# Where the tower meets the engine, and why.
TOWER_DOORS = {
    "cli/commands/daemon.py": {"daemon"},  # `sampan daemon` is the engine
    "cli/runtime": {"runtime", "linux"},  # `sampan runtime …` is the OCI command line over the same code
    "cli/commands/runtime.py": {"runtime", "linux"},
    "cli/commands/image/from_host.py": {"images"},
    "cli/terminal.py": {"linux"},
}
ASYNC_PACKAGES = {"api", "daemon", "events", "registry", "images", "containers", "builder", "networks"}
ASYNC_FILES = {"runtime/client.py", "runtime/process.py", "runtime/channel.py"}
# Another program is started in three places: the daemon by the CLI, the zygote by the engine, hooks of the OCI spec.
PROCESS_FILES = {"runtime/zygote_process.py", "runtime/hooks.py", "client/start_daemon.py", "cli/start_daemon.py"}
BANNED_MODULES = {
    "pickle": "it runs code from a file or a socket",
    "marshal": "it runs code from a file or a socket",
    "shelve": "it is pickle",
    "dbm": "rows live in SQLite",
    "multiprocessing": "it pickles, and forks a threaded process",
    "imp": "importing does nothing here",
    "pty": "linux.pty is the door",
}
BANNED_CALLS = {
    ("os", "system"), ("os", "popen"), ("os", "spawnv"), ("os", "spawnve"), ("os", "spawnvp"), ("os", "posix_spawn"),
    ("os", "posix_spawnp"), ("tarfile", "extractall"), ("yaml", "load"),
}  # fmt: skip
VAGUE = re.compile(r"^(utils?|helpers?|commons?|misc|managers?|base|core|services?|impl)\.py$")
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60


def where(path: Path) -> str:
    """A source file as it is named in this file."""
    return str(path.relative_to(SOURCE))


def package(path: Path) -> str:
    """The package, or top-level module, that a source file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def tree(path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(path.read_text(), filename=str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at any depth, by its dotted name."""
    inside = ("sampan", *path.relative_to(SOURCE).with_suffix("").parts)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            start = inside[: len(inside) - node.level] if node.level else ()
            module = ".".join((*start, node.module or "")).strip(".")
            yield module
            # `from sampan import db` and `from sampan.linux import mount` name modules too.
            for name in node.names:
                yield f"{module}.{name.name}"


def sampan_packages(path: Path) -> set[str]:
    """The packages of sampan that a file imports, other than its own."""
    found = {name.split(".")[1] for name in imports(path) if name.startswith("sampan.")}
    return {name for name in found if name in RANKS or name in TOWER} - {package(path)}


def doors(path: Path) -> set[str]:
    """The packages of the engine that a file of the tower is allowed besides."""
    return set().union(*(allowed for start, allowed in TOWER_DOORS.items() if where(path).startswith(start)))


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, methods and nested ones included."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=where)
def test_a_package_imports_lower_ranks_only(path: Path) -> None:
    own = package(path)
    if own in TOWER:
        wrong = sampan_packages(path) - TOWER_MAY - doors(path)
    elif own in RANKS:
        wrong = {name for name in sampan_packages(path) if name in TOWER or RANKS[name] >= RANKS[own]}
    else:
        assert own in {"__init__", "__main__"}, f"{own} has no rank: give it one here and in docs/architecture.md"
        wrong = sampan_packages(path) - TOWER if own == "__main__" else sampan_packages(path)
    assert not wrong, f"{where(path)} (rank {RANKS.get(own, 'tower')}) imports {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=where)
def test_a_file_goes_through_the_doors(path: Path) -> None:
    modules = {name.split(".")[0] for name in imports(path)}
    name = where(path)
    if "ctypes" in modules:
        assert package(path) == "linux", "ctypes lives in linux/ only"
    if modules & {"asyncio", "aiohttp"}:
        assert package(path) in ASYNC_PACKAGES or name in ASYNC_FILES, "a forked child runs below the waterline"
    if "subprocess" in modules:
        assert name in PROCESS_FILES, "nothing at run time executes external programs"
    for banned in modules & BANNED_MODULES.keys():
        raise AssertionError(f"{banned} is banned: {BANNED_MODULES[banned]}")
    if package(path) == "linux":
        third = {m for m in modules if m not in {"sampan", "pyroute2"} and m not in STDLIB}
        assert not third, f"the zygote imports linux/ without site-packages, but {name} imports {sorted(third)}"


@pytest.mark.parametrize("path", FILES, ids=where)
def test_no_banned_calls(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            called = (node.value.id if isinstance(node.value, ast.Name) else "", node.attr)
            hook = called[1] == "posix_spawn" and where(path) in PROCESS_FILES
            assert hook or called not in BANNED_CALLS, f"line {node.lineno}: {'.'.join(called)} is banned"
            assert node.attr not in {"extractall"}, f"line {node.lineno}: layers are untrusted; the reader is ours"


@pytest.mark.parametrize("path", FILES, ids=where)
def test_a_module_says_what_it_answers(path: Path) -> None:
    module = tree(path)
    docstring = ast.get_docstring(module)
    assert docstring, "a module starts with the question that it answers"
    if path.name == "__init__.py" and path.parent != SOURCE:
        body = module.body[1:]
        assert not body, "a package's __init__ is its map and nothing else: imports there make cycles"


@pytest.mark.parametrize("path", FILES, ids=where)
def test_public_things_have_docstrings(path: Path) -> None:
    defined = [n for n in tree(path).body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    public = [node for node in defined if not node.name.startswith("_")]
    bare = [f"{node.name} (line {node.lineno})" for node in public if not ast.get_docstring(node)]
    assert not bare, f"without a docstring: {', '.join(bare)}"


@pytest.mark.parametrize("path", FILES, ids=where)
def test_names_and_sizes(path: Path) -> None:
    assert not VAGUE.match(path.name), "a name says the thing in the field's word"
    text = path.read_text()
    assert text.count("\n") <= LINES_OF_A_FILE, "split it by noun"
    left_open = re.search(r"\b(TODO|FIXME|XXX)\b|NotImplementedError", text)
    assert not left_open, f"left open: {left_open.group() if left_open else ''}"
    long = [f"{f.name}: {length(f)} lines" for f in functions(tree(path)) if length(f) > LINES_OF_A_FUNCTION]
    assert not long, f"one level of one story: {', '.join(long)}"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_neither_mock_nor_sleep(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = {name.name for name in node.names} | {getattr(node, "module", "") or ""}
            assert not names & {"mock", "unittest.mock"}, "fakes under the same contract, not mocks"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("time", "sleep"), f"line {node.lineno}: wait for the thing itself"


def test_unit_tests_mirror_the_source() -> None:
    stray = []
    for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py")):
        mirrored = path.relative_to(ROOT / "tests" / "unit").with_name(path.name.removeprefix("test_"))
        of_a_package = (SOURCE / mirrored).with_suffix("").is_dir()
        if path.name != "test_architecture.py" and not (SOURCE / mirrored).exists() and not of_a_package:
            stray.append(str(path.relative_to(ROOT)))
    assert not stray, f"no source file of that name: {stray}"


def test_where_md_names_what_exists() -> None:
    rows = re.findall(r"^\|[^|]+\| `([^`]+)` \| ([^|]+) \|$", (ROOT / "docs" / "where.md").read_text(), re.MULTILINE)
    assert len(rows) >= 10, "docs/where.md is a table: question | `file` | `symbol` …"
    missing = []
    for file, symbols in rows:
        path = SOURCE / file
        defined = set(definitions(path)) if path.is_file() else set()
        missing += [f"{file}: {name}" for name in re.findall(r"`([^`]+)`", symbols) if name not in defined]
    assert not missing, f"docs/where.md names what is not there: {missing}"


def definitions(path: Path) -> Iterator[str]:
    """The names a module defines at its top, and `Class.method`."""
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield node.name
            methods = [f for f in node.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)]
            yield from (f"{node.name}.{method.name}" for method in methods)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring not counted."""
    documented = function.body[0] if ast.get_docstring(function) else None
    docstring = (documented.end_lineno or 0) - documented.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring
