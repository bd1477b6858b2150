"""sampan daemon: the engine itself. Its flags are dockerd's and are read over there."""

from __future__ import annotations

import sys
from importlib import import_module

from sampan.cli.command import ANY, Call, Command, Failure


def run(call: Call) -> int:
    """Hand over to the daemon, which this tower knows only by name."""
    try:
        daemon = import_module("sampan.daemon.main")
    except ModuleNotFoundError as error:
        raise Failure(f"the daemon cannot be loaded: {error}") from None
    sys.argv[0] = "sampan daemon"
    return int(daemon.main(call.arguments) or 0)


COMMAND = Command("[OPTIONS]", run, most=ANY, raw=True)
