"""Is the table of commands in order?"""

from importlib import import_module

import pytest

from sampan.cli.command import Command
from sampan.cli.table import COMMANDS, aliases_of, children


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.place])
def test_every_place_holds_a_command(name: str) -> None:
    module, _, variable = COMMANDS[name].place.partition(":")
    command = getattr(import_module(f"sampan.cli.commands.{module}"), variable or "COMMAND")
    assert isinstance(command, Command)
    names = [each for flag in command.flags for each in (flag.name, *flag.aliases)]
    shorts = [flag.short for flag in command.flags if flag.short]
    assert len(set(names)) == len(names)
    assert len(set(shorts)) == len(shorts)
    assert all(flag.summary for flag in command.flags)


def test_every_group_exists() -> None:
    groups = {name.partition(" ")[0] for name in COMMANDS if " " in name}
    assert all(group in COMMANDS for group in groups)
    assert {group for group in groups if COMMANDS[group].place} == {"port"}, "is a command and has members"


def test_aliases() -> None:
    assert aliases_of("ps") == ["container ls", "container list", "container ps", "ps"]
    assert aliases_of("version") == []
    assert aliases_of("container inspect") == []


def test_children() -> None:
    assert "ls" in children("container")
    assert "list" not in children("container")
    assert "run" in children("")
    assert "buildx" not in children("")
