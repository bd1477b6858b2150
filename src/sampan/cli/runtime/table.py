"""Which commands does `sampan runtime` have, in the order of its help?"""

from importlib import import_module

from sampan.cli.runtime.call import Command

COMMANDS = {
    "create": "Create a container",
    "delete": "Delete any resources held by the container",
    "events": "Display container events (refused: ask the cgroup, or the engine)",
    "exec": "Execute a new process inside the container",
    "features": "Show the enabled features",
    "kill": "Send the specified signal (default: SIGTERM) to the container's init process",
    "list": "List containers started with the given root",
    "pause": "Suspend all processes inside the container",
    "ps": "Display the processes running inside a container",
    "resume": "Resume all processes that have been previously paused",
    "run": "Create and run a container",
    "spec": "Create a new specification file",
    "start": "Execute the user defined process in a created container",
    "state": "Output the state of a container",
    "update": "Update container resource constraints",
}


def load(name: str) -> Command:
    """Import one command."""
    command: Command = import_module(f"sampan.cli.runtime.commands.{name}").COMMAND
    return command
