"""How does `sampan run …` become a call and an exit code?

    words → global flags → entry of the table → its module, imported now → options and arguments → run → exit code

Exit codes are docker's: 125 when flags are wrong, 1 when the engine refuses (125 to 127 for `run`), otherwise what the
command says: for run, exec and attach that is what the container's process said.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import LIST, SWITCH, TEXT, BadUsage, Flag, HelpWanted, Options, parse
from sampan.cli.output import Output, standard
from sampan.cli.table import COMMANDS, Entry
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.client.endpoint import Endpoint
    from sampan.client.engine import Engine

GLOBAL_FLAGS = (
    Flag("config", TEXT, 'Where docker\'s configuration and contexts are (default "~/.docker")'),
    Flag("context", TEXT, "Name of the context to use to connect to the engine", short="c"),
    Flag("debug", SWITCH, "Enable debug mode: errors come with a traceback", short="D"),
    Flag("host", LIST, "Socket of the engine to connect to", short="H"),
    Flag("log-level", TEXT, "Accepted for docker's sake", short="l", hidden=True),
    Flag("tls", SWITCH, "Use TLS; implied by --tlsverify"),
    Flag("tlscacert", TEXT, 'Trust certificates signed only by this authority (default "~/.docker/ca.pem")'),
    Flag("tlscert", TEXT, 'Path to the TLS certificate file (default "~/.docker/cert.pem")'),
    Flag("tlskey", TEXT, 'Path to the TLS key file (default "~/.docker/key.pem")'),
    Flag("tlsverify", SWITCH, "Use TLS and verify the remote"),
    Flag("version", SWITCH, "Print version information and quit", short="v"),
)
BAD_FLAGS, FAILED, INTERRUPTED, BROKEN_PIPE = 125, 1, 130, 141


def main() -> int:
    """Run the command of this process and end it. Called by the `sampan` script and by `python -m sampan`."""
    program = os.path.basename(sys.argv[0])
    program = program if program == "docker" else "sampan"
    out, err = standard()
    try:
        code = dispatch(program, sys.argv[1:], out, err)
        out.flush()
        err.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # Nobody reads our output any more (`sampan ps | head -1`): end as a program does that SIGPIPE kills.
        code = BROKEN_PIPE
    # Taking the interpreter down in order would take 4 ms more, and there is nothing left to keep in order.
    os._exit(code)


def dispatch(program: str, words: list[str], out: Output, err: Output) -> int:
    """Find the command and call it; every expected failure becomes a sentence and an exit code here."""
    try:
        settings, rest = parse(GLOBAL_FLAGS, words, interspersed=False)
    except BadUsage as problem:
        return bad_usage(err, str(problem), f"{program} [OPTIONS] COMMAND [ARG...]", program)
    except HelpWanted:
        return show_help(program, "", out)
    if settings["version"]:
        from sampan import __version__

        out.line(f"{program.capitalize()} version {__version__}")
        return 0
    name, entry, rest = find(rest)
    if entry is None:
        return no_command(program, name, rest, out, err)
    return call(program, settings, name, entry, rest, out, err)


def find(words: list[str]) -> tuple[str, Entry | None, list[str]]:
    """(name, entry, remaining words); no entry for a group without command, or an unknown command."""
    name = words[0] if words else ""
    entry = COMMANDS.get(name) if " " not in name else None
    if entry is None:
        return name, entry, words
    # A command may have members, too: `port publish web 8080:80` beside `port web`.
    if len(words) > 1 and (member := COMMANDS.get(f"{name} {words[1]}")) is not None:
        return f"{name} {words[1]}", member, words[2:]
    if entry.place:
        return name, entry, words[1:]
    return name, None, words[1:]


def no_command(program: str, name: str, rest: list[str], out: Output, err: Output) -> int:
    """Help for `sampan`, `sampan help …` and groups; a complaint for what is no command."""
    if name == "help":
        name = " ".join(rest[1:])
    if not name or name in COMMANDS:
        unknown = [word for word in rest if not word.startswith("-")] if name and rest[:1] != ["help"] else []
        if not unknown:
            return show_help(program, name, out)
        name = f"{name} {unknown[0]}"
    from difflib import get_close_matches

    near = get_close_matches(name, [each for each, entry in COMMANDS.items() if not entry.hidden], n=1)
    err.line(f"{program}: unknown command: {program} {name}")
    if near:
        err.line(f"Did you mean '{program} {near[0]}'?")
    err.line(f"\nRun '{program} --help' for more information")
    return FAILED


def call(program: str, settings: Options, name: str, entry: Entry, words: list[str], out: Output, err: Output) -> int:
    """Import the command, read its flags, run it."""
    module, _, variable = entry.place.partition(":")
    command: Command = getattr(import_module(f"sampan.cli.commands.{module}"), variable or "COMMAND")
    usage = f"{program} {name} {command.usage.partition(chr(10))[0]}".rstrip()
    try:
        if command.raw:
            options, arguments = Options(()), words
        else:
            options, arguments = parse(command.flags, words, interspersed=command.interspersed)
        complaint = command.complaint(len(arguments))
        if complaint:
            bad_usage(err, f"{program}: '{program} {name}' {complaint}", usage, f"{program} {name}")
            return FAILED
        one_call = Call(
            program=program,
            name=name,
            options=options,
            arguments=arguments,
            out=out,
            err=err,
            config_directory=config_directory(settings),
            open_engine=lambda: open_engine(settings, err),
        )
        return command.run(one_call)
    except BadUsage as problem:
        return bad_usage(err, str(problem), usage, f"{program} {name}")
    except HelpWanted:
        return show_help(program, name, out)
    except Failure as failure:
        out.flush()
        if str(failure):
            err.line(str(failure))
        return failure.code
    except SampanError as error:
        if settings["debug"]:
            raise
        out.flush()
        err.line(str(error))
        return FAILED


def bad_usage(err: Output, problem: str, usage: str, helper: str) -> int:
    """Say what is wrong with the command line and how it should look."""
    err.line(f"{problem}\n\nUsage:  {usage}\n\nRun '{helper} --help' for more information")
    return BAD_FLAGS


def show_help(program: str, name: str, out: Output) -> int:
    """Print the help of a command, of a group, or of the program for ""."""
    from sampan.cli import help as texts

    if not name:
        out.write(texts.program_help(program, GLOBAL_FLAGS))
    elif not COMMANDS[name].place:
        out.write(texts.group_help(program, name))
    else:
        module, _, variable = COMMANDS[name].place.partition(":")
        command = getattr(import_module(f"sampan.cli.commands.{module}"), variable or "COMMAND")
        out.write(texts.command_help(program, name, COMMANDS[name], command))
    return 0


def config_directory(settings: Options) -> str:
    """Where docker's CLI keeps its contexts and certificates."""
    directory: str = settings["config"] or os.environ.get("DOCKER_CONFIG", "")
    return directory or os.path.expanduser("~/.docker")


def open_engine(settings: Options, err: Output) -> Engine:
    """The engine that flags and environment name; started on demand at its default local address."""
    from sampan.client.endpoint import resolve
    from sampan.client.engine import Engine

    hosts = settings["host"]
    if len(hosts) > 1:
        raise Failure("specify only one -H")
    endpoint = resolve(
        os.environ,
        host=hosts[0] if hosts else "",
        context=settings["context"],
        config_directory=config_directory(settings),
        tls=settings["tls"],
        tls_verify=settings["tlsverify"],
        tls_files=(settings["tlscacert"], settings["tlscert"], settings["tlskey"]),
    )
    version = os.environ.get("DOCKER_API_VERSION", "")
    if not endpoint.is_default or os.geteuid() != 0:
        return Engine(endpoint, version=version)
    return Engine(endpoint, version=version, wake=wake_daemon)


def wake_daemon(endpoint: Endpoint) -> bool:
    """Start the daemon; imported here because most commands find it running."""
    from sampan.cli.wake import wake

    return wake(endpoint)
