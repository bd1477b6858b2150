"""How is a container's conversation carried on: our terminal on one side, a hijacked connection on the other?

Shared by run, start -a, attach and exec, which differ only in what they do before and after.
"""

from __future__ import annotations

import os

from sampan.cli.command import Call, Failure
from sampan.client.connection import Response
from sampan.client.stream import Streams
from sampan.wire.detachkeys import parse as parse_keys

STDIN = 0
GIVEN_UP = 1


def check_terminal(*, stdin: bool, tty: bool) -> None:
    """A container's terminal can only be driven from a terminal. Raises Failure."""
    if stdin and tty and not os.isatty(STDIN):
        raise Failure("the input device is not a TTY: leave out -t, or run the command from a terminal")


def converse(response: Response, *, tty: bool, stdin: bool, keys: str, output: bool = True) -> None:
    """Copy both ways until the container's side ends. Raises Detached when the user pressed the detach keys."""
    connection, first = response.hijack()
    watched = parse_keys(keys) if tty and stdin else b""
    streams = Streams(connection, first, framed=not tty, stdin=STDIN if stdin else None, keys=watched)
    try:
        if tty and stdin:
            from sampan.client.terminal import raw

            with raw(STDIN):
                streams.copy(output=output)
        else:
            streams.copy(output=output)
    finally:
        streams.close()


def attach_query(*, stdin: bool, stdout: bool, stderr: bool, keys: str) -> dict[str, str | list[str]]:
    """The query of POST /containers/ID/attach."""
    query: dict[str, str | list[str]] = {"stream": "1"}
    for name, wanted in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
        if wanted:
            query[name] = "1"
    if keys:
        parse_keys(keys)
        query["detachKeys"] = keys
    return query


def give_up() -> None:
    """The user insists on leaving. Raises Failure."""
    raise Failure("got 3 SIGTERM/SIGINTs, forcefully exiting", GIVEN_UP)


def exit_status(call: Call, waited: Response) -> int:
    """The exit code in the answer to /wait, once it is there."""
    import json

    result = json.loads(waited.read())
    if result.get("Error") and result["Error"].get("Message"):
        call.err.line(f"Error waiting for container: {result['Error']['Message']}")
        return 125
    return int(result["StatusCode"])
