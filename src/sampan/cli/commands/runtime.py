"""sampan runtime: the OCI runtime command line, create, start, state, kill, delete and so on, as runc has them."""

from __future__ import annotations

import sys
from importlib import import_module

from sampan.cli.command import ANY, Call, Command, Failure


def run(call: Call) -> int:
    """Hand over to the runtime's own command line."""
    try:
        runtime = import_module("sampan.cli.runtime.main")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("sampan.cli.runtime"):
            raise
        raise Failure("the OCI runtime command line is not in this version: use `sampan run`") from None
    sys.argv[0] = "sampan runtime"
    return int(runtime.main(call.arguments) or 0)


COMMAND = Command("COMMAND [OPTIONS]", run, most=ANY, raw=True)
