"""How do words become a call of `sampan runtime`, and failures an exit code?

    global flags → name → its module, imported now → flags and arguments → run → exit code

Exit codes are runc's: 0, 1 for what fails (255 for exec), 3 for no such command; run and exec bring home the program's.
"""

import os
import sys
from collections.abc import Sequence

from sampan.cli.flags import SWITCH, TEXT, BadUsage, Flag, HelpWanted, Options, parse
from sampan.cli.runtime.call import Call, Command
from sampan.cli.runtime.help import command_help, program_help
from sampan.cli.runtime.record import Store
from sampan.cli.runtime.report import Report
from sampan.cli.runtime.sealed import execute_anew
from sampan.cli.runtime.table import COMMANDS, load
from sampan.errors import NotSupported, SampanError
from sampan.runtime.steps import sentence

DEFAULT_ROOT = "/run/sampan/runtime"
FAILED, NO_COMMAND, INTERRUPTED = 1, 3, 130
UNPRIVILEGED = {"features", "spec"}

GLOBAL_FLAGS = (
    Flag("root", TEXT, f'Directory for the state of containers, best on tmpfs (default "{DEFAULT_ROOT}")'),
    Flag("log", TEXT, "File to write messages to instead of standard error"),
    Flag("log-format", TEXT, "How messages are written: text or json", default="text"),
    Flag("debug", SWITCH, "Write messages for debugging too"),
    Flag("systemd-cgroup", SWITCH, "Refused: cgroups are made without systemd"),
    Flag("rootless", TEXT, "auto or false; containers are made as root", default="auto", hidden=True),
    Flag("version", SWITCH, "Print the version", short="v"),
)


def main(words: list[str] | None = None, *, sealed: bool = False) -> int:
    """Run one command; its exit code. `sealed`: this interpreter is the sealed copy already."""
    words = sys.argv[1:] if words is None else list(words)
    report = Report()
    try:
        settings, rest = parse(GLOBAL_FLAGS, doubled(GLOBAL_FLAGS, words, interspersed=False), interspersed=False)
        report = Report(settings["log"], settings["log-format"], verbose=settings["debug"])
        if settings["version"]:
            return version()
        _refuse(settings)
        return dispatch(settings, rest, words, report, sealed=sealed)
    except HelpWanted:
        sys.stdout.write(program_help(GLOBAL_FLAGS))
        return 0
    except BadUsage as problem:
        report.error(usage_sentence(problem))
        return FAILED
    except SampanError as error:
        report.error(str(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def dispatch(settings: Options, rest: list[str], words: list[str], report: Report, *, sealed: bool) -> int:
    """Find the command and call it."""
    name = rest[0] if rest else ""
    if name in ("", "help"):
        sys.stdout.write(program_help(GLOBAL_FLAGS))
        return 0
    if name not in COMMANDS:
        report.error(f"No help topic for '{name}'")
        return NO_COMMAND
    command = load(name)
    if command.sealed and not sealed and not {"-h", "--help"} & set(rest):
        execute_anew(words)
    try:
        given = doubled(command.flags, rest[1:], interspersed=command.interspersed)
        options, arguments = parse(command.flags, given, interspersed=command.interspersed)
    except HelpWanted:
        sys.stdout.write(command_help(name, command))
        return 0
    except BadUsage as problem:
        return incorrect(name, command, usage_sentence(problem), report)
    complaint = command.complaint(name, len(arguments))
    if complaint:
        return incorrect(name, command, complaint, report)
    store = Store(settings["root"] or DEFAULT_ROOT)
    call = Call(name=name, options=options, arguments=arguments, store=store, report=report)
    return _run(command, call)


def doubled(flags: Sequence[Flag], words: Sequence[str], *, interspersed: bool) -> list[str]:
    """The words with -root as --root: Go's flag package, by which runc is called, makes no difference."""
    by_name = {flag.name: flag for flag in (*flags, Flag("help", SWITCH, ""))}
    by_short = {flag.short: flag for flag in flags}
    given: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.lstrip("-").partition("=")
        flag = (by_name.get(name) or by_short.get(name)) if word.startswith("-") else None
        given.append(f"-{word}" if flag and name == flag.name and not word.startswith("--") else word)
        if flag and not equals and not flag.kind.is_switch:
            given += [value for value in [next(rest, None)] if value is not None]
        elif word == "--" or (not word.startswith("-") and not interspersed):
            break
    return [*given, *rest]


def _run(command: Command, call: Call) -> int:
    try:
        if os.geteuid() != 0 and call.name not in UNPRIVILEGED:
            raise NotSupported("rootless containers are not supported: run this as root")
        code = command.run(call)
        sys.stdout.flush()
        return code
    except SampanError as error:
        call.report.error(command.prefix + str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        call.report.error(command.prefix + sentence(error))
    return command.failed


def _refuse(settings: Options) -> None:
    if settings["systemd-cgroup"]:
        raise NotSupported(
            "cgroups are made without systemd: leave --systemd-cgroup out and give a cgroupsPath such as /group/name"
        )
    if settings["rootless"] not in ("auto", "false"):
        raise NotSupported("rootless containers are not supported: run this as root")


def incorrect(name: str, command: Command, complaint: str, report: Report) -> int:
    """Say what is wrong with the words, and how they should be."""
    sys.stdout.write(f"Incorrect Usage.\n\n{command_help(name, command)}")
    sys.stdout.flush()
    report.error(complaint)
    return FAILED


def usage_sentence(problem: BadUsage) -> str:
    """What is wrong with a flag, as Go's flag package says it."""
    unknown = str(problem).removeprefix("unknown flag: -")
    return f"flag provided but not defined: {unknown}" if unknown != str(problem) else str(problem)


def version() -> int:
    """Print what the callers of runtimes look for: a version line and the spec's."""
    from sampan import __version__

    sys.stdout.write(f"sampan runtime version {__version__}\nspec: 1.2.0\n")
    return 0
