"""What do --help and wrong usage print?"""

from collections.abc import Sequence

from sampan.cli.flags import Flag
from sampan.cli.runtime.call import Command
from sampan.cli.runtime.table import COMMANDS


def program_help(flags: Sequence[Flag]) -> str:
    """The help of `sampan runtime`."""
    width = max(map(len, COMMANDS)) + 3
    commands = "".join(f"   {name:{width}}{summary}\n" for name, summary in COMMANDS.items())
    return (
        "NAME:\n   sampan runtime - Run containers by OCI bundle, as runc does\n\n"
        "USAGE:\n   sampan runtime [global options] command [command options] [arguments...]\n\n"
        f"COMMANDS:\n{commands}\nGLOBAL OPTIONS:\n{_flags(flags)}"
    )


def command_help(name: str, command: Command) -> str:
    """The help of one command."""
    options = f"\nOPTIONS:\n{_flags(command.flags)}" if command.flags else ""
    words = " [command options]" if command.flags else ""
    return (
        f"NAME:\n   sampan runtime {name} - {COMMANDS[name]}\n\n"
        f"USAGE:\n   sampan runtime {name}{words} {command.usage}\n{options}"
    )


def _flags(flags: Sequence[Flag]) -> str:
    shown = [(_words(flag), flag.summary) for flag in flags if not flag.hidden]
    width = max(len(words) for words, _ in shown) + 2
    return "".join(f"   {words:{width}}{summary}\n" for words, summary in shown)


def _words(flag: Flag) -> str:
    value = "" if flag.kind.is_switch else " value"
    return f"--{flag.name}{value}" + (f", -{flag.short}{value}" if flag.short else "")
