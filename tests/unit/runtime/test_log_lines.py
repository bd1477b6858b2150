"""Does a log daemon get every line once, whole, and never hold up the container?"""

import socket
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sampan.runtime.log_lines import MAX_LINE, Destination, Forwarder, syslog_head


def to(path: Path | str, **fields: object) -> Destination:
    plain: dict[str, object] = {"kind": "syslog", "family": "unix", "stream": False, "tag": "t", **fields}
    return Destination(address=str(path), **plain)  # type: ignore[arg-type]


class Collecting(Forwarder):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__(to("/nowhere", kind="journald"))
        self.sent: list[bytes] = []

    def _put(self, message: bytes) -> None:
        self.sent.append(message)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_lines_are_the_same_however_they_are_cut(said: bytes, cuts: list[int]) -> None:
    forwarder = Collecting()
    places = [0, *sorted(cuts), len(said)]
    for start, end in pairwise(places):
        forwarder.feed(1, 0, said[start:end])
    forwarder.close()
    whole, once = [], Collecting()
    once.feed(1, 0, said)
    once.close()
    whole = once.sent
    assert forwarder.sent == whole
    assert len(whole) == said.count(b"\n") + (not said.endswith(b"\n") and bool(said))


def test_a_daemon_that_is_not_there_or_does_not_read_costs_lines_and_no_time(tmp_path: Path) -> None:
    gone = Forwarder(to(tmp_path / "nobody", buffer=100))
    gone.feed(1, 0, b"x" * 50 + b"\n" + b"y" * 5000 + b"\n")
    gone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "full"))
        listening.listen()
        full = Forwarder(to(tmp_path / "full", stream=True, buffer=4096))
        for number in range(2000):
            full.feed(1, 0, b"%d" % number * 100 + b"\n")
        reading, _ = listening.accept()
        with reading:
            full.close()
            data = b"".join(iter(lambda: reading.recv(1 << 20), b""))
        lines = data.split(b"\n")
        assert 10 < len(lines) < 2000
        assert all(line.startswith(b"<30>") for line in lines if line)


def test_a_long_line_comes_in_parts_that_say_so() -> None:
    forwarder = Collecting()
    forwarder.feed(2, 0, b"x" * (2 * MAX_LINE + 5) + b"\n")
    assert [b"CONTAINER_PARTIAL_MESSAGE" in message for message in forwarder.sent] == [True, True, False]
    assert all(b"PRIORITY=3\n" in message for message in forwarder.sent)


def test_heads_are_those_of_the_two_rfcs() -> None:
    moment = 1_700_000_000_123_456_789
    head = syslog_head(to("", format="rfc5424", hostname="h"), 30, moment).decode()
    assert head.startswith("<30>1 2023-11-14T22:13:20Z h t ")
    assert " h t[" in syslog_head(to("", format="rfc3164", hostname="h"), 30, moment).decode()
    assert " h t[" not in syslog_head(to("", hostname="h"), 30, moment).decode()
