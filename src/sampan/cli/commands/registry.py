"""sampan registry serve: a registry. Its flags are read over there."""

from __future__ import annotations

import sys
from importlib import import_module

from sampan.cli.command import ANY, Call, Command, Failure


def run(call: Call) -> int:
    """Hand over to the registry, which this tower knows only by name."""
    try:
        if {"--help", "-h"} & set(call.arguments):
            call.out.write(import_module("sampan.registry.serve.settings").usage())
            return 0
        serve = import_module("sampan.registry.serve.main")
    except ModuleNotFoundError as error:
        raise Failure(f"the registry cannot be loaded: {error}") from None
    sys.argv[0] = "sampan registry serve"
    return int(serve.main(call.arguments) or 0)


COMMAND = Command("[OPTIONS]", run, most=ANY, raw=True)
