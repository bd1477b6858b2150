"""Does the source keep the rules of CONTRIBUTING? Ranks, doors, names, sizes, docstrings, read from syntax trees."""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STDLIB = sys.stdlib_module_names
SOURCE = ROOT / "src" / "sampan"
FILES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# A package imports lower ranks only, never its equals.
RANKS = {
    "errors": 0,
    "oci": 1, "wire": 1,
    "linux": 2, "db": 2, "events": 2, "threads": 2,
    "content": 3, "layers": 3, "snapshots": 3, "volumes": 3, "networks": 3, "runtime": 3,
    "registry": 4, "unpacking": 4,
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
ASYNC_PACKAGES = {"api", "daemon", "events", "threads", "registry", "images", "containers", "builder", "networks"}
ASYNC_FILES = {"runtime/client.py", "runtime/process.py", "runtime/channel.py"}
# Another program is started in few places: the daemon by the CLI, the zygote by the engine, hooks of the OCI spec.
PROCESS_FILES = {
    *("runtime/zygote_process.py", "runtime/hooks.py", "client/start_daemon.py", "cli/start_daemon.py"),
    "unpacking/process.py",  # the one archive that it unpacks, confined
    "builder/git.py",  # git_reader, our own: it reads a repository, within bounds that end it alone
    "runtime/oci_delete.py",  # another OCI runtime, at the user's request
    "client/credential_helper.py",  # docker's credential helpers, that the user has configured
}
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
# Unit tests that are about more than one file, and why they are not called after one.
STORIES = {
    "architecture.py",  # the source as a whole
    "containers/life.py",  # one container through all the verbs
}
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60


def where(path: Path) -> str:
    """A source file as it is named in this file."""
    return str(path.relative_to(SOURCE))


def package(path: Path) -> str:
    """The package, or top-level module, that a source file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@functools.cache
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


def test_packages_import_lower_ranks_only() -> None:
    wrong = []
    for path in FILES:
        own, imported = package(path), sampan_packages(path)
        if own in TOWER:
            above = imported - TOWER_MAY - doors(path)
        elif own in RANKS:
            above = {name for name in imported if name in TOWER or RANKS[name] >= RANKS[own]}
        else:
            assert own in {"__init__", "__main__"}, f"{own} has no rank: give it one here and in docs/architecture.md"
            above = imported - TOWER
        if above:
            wrong.append(f"{where(path)} imports {', '.join(sorted(above))}")
    assert not wrong


def test_files_go_through_the_doors() -> None:
    wrong = []
    for path in FILES:
        modules, name = {module.split(".")[0] for module in imports(path)}, where(path)
        if "ctypes" in modules and package(path) != "linux":
            wrong.append(f"{name}: ctypes lives in linux/ only")
        if modules & {"asyncio", "aiohttp"} and package(path) not in ASYNC_PACKAGES and name not in ASYNC_FILES:
            wrong.append(f"{name}: asyncio below the waterline, where a forked child may run")
        if "subprocess" in modules and name not in PROCESS_FILES:
            wrong.append(f"{name}: nothing at run time executes external programs")
        wrong += [f"{name}: {banned} is banned: {BANNED_MODULES[banned]}" for banned in modules & BANNED_MODULES.keys()]
        third = modules - STDLIB - {"sampan", "pyroute2"}
        if package(path) == "linux" and third:
            wrong.append(f"{name}: the zygote imports it without site-packages, but it imports {sorted(third)}")
    assert not wrong


def test_no_banned_calls() -> None:
    wrong = []
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute):
                called = (node.value.id if isinstance(node.value, ast.Name) else "", node.attr)
                starts = called in BANNED_CALLS and where(path) not in PROCESS_FILES
                if starts or node.attr == "extractall":
                    wrong.append(f"{where(path)}:{node.lineno}: {'.'.join(called)}")
    assert not wrong


def test_modules_say_what_they_answer() -> None:
    mute = [where(path) for path in FILES if not ast.get_docstring(tree(path))]
    assert not mute, "a module starts with the question that it answers"
    maps = [path for path in FILES if path.name == "__init__.py" and path.parent != SOURCE]
    busy = [where(path) for path in maps if tree(path).body[1:]]
    assert not busy, "a package's __init__ is its map and nothing else: imports there make cycles"


def test_public_things_have_docstrings() -> None:
    bare = []
    for path in FILES:
        defined = [n for n in tree(path).body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        bare += [f"{where(path)}: {n.name}" for n in defined if not n.name.startswith("_") and not ast.get_docstring(n)]
    assert not bare


def test_names_and_sizes() -> None:
    wrong = []
    for path in FILES:
        text = path.read_text()
        if VAGUE.match(path.name):
            wrong.append(f"{where(path)}: a name says the thing in the field's word")
        if text.count("\n") > LINES_OF_A_FILE:
            wrong.append(f"{where(path)} has {text.count(chr(10))} lines: split it by noun")
        if left_open := re.search(r"\b(TODO|FIXME|XXX)\b|NotImplementedError", text):
            wrong.append(f"{where(path)}: {left_open.group()}")
        long = [f for f in functions(tree(path)) if length(f) > LINES_OF_A_FUNCTION]
        wrong += [f"{where(path)}: {f.name} has {length(f)} lines: one level of one story" for f in long]
    assert not wrong


def test_tests_neither_mock_nor_sleep() -> None:
    wrong = []
    for path in TESTS:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = {name.name for name in node.names} | {getattr(node, "module", "") or ""}
                if names & {"mock", "unittest.mock"}:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: fakes under the same contract, not mocks")
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: wait for the thing itself")
    assert not wrong


def test_unit_tests_mirror_the_source() -> None:
    stray = []
    for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py")):
        subject = path.relative_to(ROOT / "tests" / "unit").with_name(path.name.removeprefix("test_"))
        of_a_package = (SOURCE / subject).with_suffix("").is_dir() or subject.stem == subject.parent.name
        if not ((SOURCE / subject).exists() or of_a_package or str(subject) in STORIES):
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
