"""How does the progress of long work look, on a terminal and in a file?"""

import json
import socket

import pytest

from sampan.client.connection import Connection, Response
from sampan.client.engine import Refused
from sampan.client.http import render_request
from sampan.client.progress import bar, show


class Paper:
    """A screen that keeps what it was given."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def control(self, sequence: str) -> None:
        self.text += sequence.replace("\x1b", "^")

    def flush(self) -> None:
        pass


def respond(*messages: object) -> Response:
    """A response with these JSON values as its body."""
    ours, theirs = socket.socketpair()
    body = b"".join(json.dumps(message).encode() + b"\r\n" for message in messages)
    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    theirs.shutdown(socket.SHUT_WR)
    return Connection(ours).send("POST", render_request("POST", "/", {}))


def moving(name: str, current: int, total: int) -> dict[str, object]:
    """A message about something on its way."""
    return {"id": name, "status": "Loading", "progressDetail": {"current": current, "total": total}}


def test_a_file_gets_the_lines_that_stay() -> None:
    paper = Paper(is_terminal=False)
    show(respond({"stream": "Loaded image: a\n"}, moving("x", 1, 2), {"status": "sha256:1"}), paper)
    assert paper.text == "Loaded image: a\nsha256:1\n"


def test_a_terminal_gets_lines_that_change_in_place() -> None:
    paper = Paper(is_terminal=True)
    show(respond(moving("a", 1, 2), moving("b", 1, 2), {"id": "a", "status": "Done", "progressDetail": {}}), paper)
    assert paper.text.endswith("^[2A^[2K\ra: Done^[2B\r")
    assert "a: Loading [" in paper.text


def test_an_error_in_the_stream_fails() -> None:
    with pytest.raises(Refused, match="no space left"):
        show(
            respond({"errorDetail": {"code": 1, "message": "no space left"}, "error": "no space left"}),
            Paper(is_terminal=True),
        )


def test_auxiliary_values_come_back() -> None:
    paper = Paper(is_terminal=False)
    assert show(respond({"aux": {"ID": "x"}}, {"status": "y"}), paper, quiet=True) == [{"ID": "x"}]
    assert paper.text == ""


def test_bars() -> None:
    assert bar({}) == ""
    assert bar({"current": 1000}) == "1kB"
    assert bar({"current": 500, "total": 1000}) == "[=========================>                        ]  500B/1kB"
    assert bar({"current": 1000, "total": 1000}) == f"[{'=' * 50}]  1kB/1kB"
