"""Do words become the right command, the right complaint and the right exit code? No engine runs here."""

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from cli.conftest import Said
from sampan import __version__
from sampan.cli.table import COMMANDS

NOWHERE = ("-H", "unix:///nonexistent/sampan.sock")
Sampan = Callable[..., Said]
OWN_HELP = [
    name for name, entry in COMMANDS.items() if entry.place not in ("later", "daemon", "runtime", "completion:COMPLETE")
]


@pytest.mark.parametrize("name", OWN_HELP)
def test_every_command_has_help(sampan: Sampan, name: str) -> None:
    said = sampan(*name.split(), "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage:  sampan {name}")
    assert COMMANDS[name].summary in said.out


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.place == "later"])
def test_what_is_not_there_yet_says_so(sampan: Sampan, name: str) -> None:
    said = sampan(*name.split(), "--some-flag", "argument")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"sampan: '{name}' is not in this version")


@pytest.mark.parametrize("words", [(), ("--help",), ("help",), ("-h",)])
def test_help_lists_the_commands(sampan: Sampan, words: tuple[str, ...]) -> None:
    said = sampan(*words)
    assert said.code == 0
    assert re.search(r"^Common Commands:\n  run  +Create and run", said.out, re.MULTILINE)
    assert "Management Commands:" in said.out
    assert "--host list" in said.out
    assert "__complete" not in said.out


def test_help_of_a_command_by_its_name(sampan: Sampan) -> None:
    assert sampan("help", "container", "ls").out == sampan("container", "ls", "--help").out
    assert sampan("help", "rm").out == sampan("rm", "--help").out


def test_a_group_lists_its_commands(sampan: Sampan) -> None:
    said = sampan("container")
    assert said.code == 0
    assert "Run 'sampan container COMMAND --help'" in said.out
    assert re.search(r"^  prune +Remove all stopped containers$", said.out, re.MULTILINE)


def test_version(sampan: Sampan) -> None:
    assert sampan("--version").out == f"Sampan version {__version__}\n"


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (
            ("run", "--bogus", "x"),
            125,
            "unknown flag: --bogus\n\nUsage:  sampan run [OPTIONS] IMAGE [COMMAND] [ARG...]",
        ),
        (("run", "--volum", "a:b", "x"), 125, "unknown flag: --volum; did you mean --volume?"),
        (("run", "-Z", "x"), 125, "unknown shorthand flag: 'Z' in -Z"),
        (("run", "--name"), 125, "flag needs an argument: --name"),
        (("run", "-e"), 125, "flag needs an argument: 'e' in -e"),
        (("run", "--rm=maybe", "x"), 125, 'invalid argument "maybe" for "--rm" flag'),
        (("run", "-m", "x", "x"), 125, """invalid argument "x" for "-m, --memory" flag: invalid size: 'x'"""),
        (("--bogus", "ps"), 125, "unknown flag: --bogus\n\nUsage:  sampan [OPTIONS] COMMAND [ARG...]"),
        (("run",), 1, "sampan: 'sampan run' requires at least 1 argument"),
        (("exec", "x"), 1, "sampan: 'sampan exec' requires at least 2 arguments"),
        (("ps", "x"), 1, "sampan: 'sampan ps' accepts no arguments"),
        (("images", "a", "b"), 1, "sampan: 'sampan images' requires at most 1 argument"),
        (("rename", "a"), 1, "sampan: 'sampan rename' requires 2 arguments"),
        (("bogus",), 1, "sampan: unknown command: sampan bogus"),
        (("container", "bogus"), 1, "sampan: unknown command: sampan container bogus"),
        (("rnu",), 1, "Did you mean 'sampan run'?"),
        (("container ls",), 1, "unknown command: sampan container ls"),
        (("-H", "a", "-H", "b", "ps"), 1, "specify only one -H"),
        (("-H", "ssh://x", "ps"), 1, "unable to parse docker host `ssh://x`: use unix:///path"),
        ((*NOWHERE, "ps"), 1, "Cannot connect to the sampan daemon at unix:///nonexistent/sampan.sock"),
        ((*NOWHERE, "run", "x"), 125, "sampan: Cannot connect to the sampan daemon"),
        ((*NOWHERE, "rm", "x", "y"), 1, "Start it with `sampan daemon`"),
        (("run", "--pull", "sometimes", "x"), 125, "invalid pull option"),
        (("run", "-d", "-a", "stdout", "x"), 1, "conflicting options: cannot specify both --attach and --detach"),
        (("run", "Busybox"), 125, "repository name (library/Busybox) must be lowercase"),
        (("update", "x"), 1, "you must provide one or more flags"),
        (("start", "-a", "x", "y"), 1, "you cannot start and attach multiple containers at once"),
        (("inspect", "--type", "pod", "x"), 1, 'unknown type: "pod"'),
        (("inspect", "-f", "{{", "x"), 1, "unclosed action"),
        (("logs", "--since", "yesterday", "x"), 1, "Cannot connect"),
        (("completion", "tcsh"), 1, "there are scripts for bash, zsh, fish"),
    ],
)
def test_complaints(sampan: Sampan, words: tuple[str, ...], code: int, problem: str) -> None:
    said = sampan(*(() if "-H" in words else NOWHERE), *words)
    assert (said.code, said.out) == (code, ""), said
    assert problem in said.err


def test_the_clients_half_is_shown_without_an_engine(sampan: Sampan) -> None:
    said = sampan(*NOWHERE, "version")
    assert said.code == 1
    assert f" Version:           {__version__}\n" in said.out
    assert "Cannot connect" in said.err
    assert sampan(*NOWHERE, "version", "-f", "{{.Client.Version}}").out == f"{__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(sampan: Sampan, shell: str) -> None:
    said = sampan("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert "__complete" in said.out
    assert "PROGRAM" not in said.out


HEAVY = "aiohttp argparse ast asyncio concurrent csv dataclasses difflib email hashlib http inspect ipaddress logging"
ALSO_HEAVY = "msgspec pathlib rich ssl subprocess tempfile textwrap threading typing urllib"


def test_a_run_imports_nothing_heavy() -> None:
    """Each of these costs more than a whole request; the sum of all imports is most of what a command takes."""
    words = [sys.executable, "-S", "-X", "importtime", "-m", "sampan", *NOWHERE, "run", "-d", "--rm", "busybox", "true"]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 125, done.stderr[-500:]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "sampan" in imported
    assert not imported & set(f"{HEAVY} {ALSO_HEAVY}".split())
