"""Do log drivers and their options do what docker's users know them for?"""

import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import eventually
from expect import DETACHED, IMAGE, LABEL, ONCE, OUTSIDE, Docker, says

SAY = ("sh", "-c", "echo one; echo two >&2; printf three")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[socket.socket]:
    """A log daemon: the socket it listens on."""
    if OUTSIDE:
        pytest.skip("another engine may not see the test's sockets")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "log"))
        listening.settimeout(10)
        yield listening


def test_syslog_gets_each_line_and_logs_still_works(docker: Docker, daemon: socket.socket, name: str) -> None:
    address = f"syslog-address=unixgram://{daemon.getsockname()}"
    flags = ("--log-driver", "syslog", "--log-opt", address, "--log-opt", "tag={{.Name}}/{{.ImageName}}")
    says(docker("run", "--network", "none", "--name", name, *flags, IMAGE, *SAY), "one\nthree", err="two")
    lines = sorted(daemon.recv(2048).decode() for _ in range(3))
    pattern = r"<{}>\w\w\w [ \d]\d \d\d:\d\d:\d\d {}\[\d+\]: {}"
    tag = re.escape(f"{name}/{IMAGE}")
    wanted = [pattern.format(27, tag, "two"), pattern.format(30, tag, "one"), pattern.format(30, tag, "three")]
    assert all(re.fullmatch(each, line) for each, line in zip(wanted, lines, strict=True)), lines
    seen = docker("logs", name)
    assert (seen.stdout, seen.stderr) == ("one\nthree", "two\n")
    assert docker("inspect", "-f", "{{.HostConfig.LogConfig.Type}}|{{.LogPath}}", name).stdout == "syslog|\n"
    newer = ("--log-opt", "syslog-format=rfc5424micro", "--log-opt", "syslog-facility=local3")
    docker(*ONCE, "--log-driver", "syslog", "--log-opt", address, *newer, IMAGE, "echo", "x")
    assert re.fullmatch(
        r"<158>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ [0-9a-f]{12} \d+ [0-9a-f]{12} - x",
        daemon.recv(2048).decode(),
    )


def test_a_log_daemon_over_tcp_may_go_away(docker: Docker, name: str) -> None:
    if OUTSIDE:
        pytest.skip("the engine under test is in a network namespace of its own")
    refused = docker(*ONCE, "--log-driver", "syslog", "--log-opt", "syslog-address=tcp://127.0.0.1:9", IMAGE, "true")
    assert (refused.code, "failed to initialize logging driver" in refused.stderr) == (125, True), refused
    assert "connection refused" in refused.stderr


def test_what_is_no_option_is_said(docker: Docker) -> None:
    for words, sentence in (
        ("--log-driver nope", 'plugin "nope" not found'),
        ("--log-driver json-file --log-opt foo=1", "unknown log opt 'foo' for json-file log driver"),
        ("--log-driver local --log-opt labels=a", "unknown log opt 'labels' for local log driver"),
        ("--log-opt mode=now", 'logging mode "now" not recognized'),
        ("--log-opt max-buffer-size=1m", "max-buffer-size option is only supported with"),
        ("--log-opt max-file=0", "max-file cannot be less than 1"),
        ("--log-driver syslog --log-opt syslog-facility=x", "invalid syslog facility"),
        ("--log-driver syslog --log-opt syslog-format=x", "Invalid syslog format"),
        ("--log-driver syslog --log-opt syslog-address=ftp://x", "unsupported scheme: 'ftp'"),
    ):
        refused = docker(*ONCE, *words.split(), IMAGE, "true")
        assert refused.code == 125, words
        assert sentence.lower() in refused.stderr.lower(), (words, refused.stderr)


def test_details_are_labels_variables_and_tag(docker: Docker, name: str) -> None:
    flags = "--log-opt labels=a --log-opt env-regex=^B --log-opt tag={{.ID}}x -l a=1&2 -l c=3 -e BB=4 -e D=5"
    done = docker(*DETACHED, "--name", name, *flags.split(), IMAGE, "sh", "-c", "echo one; echo two")
    assert docker("wait", name).stdout == "0\n"
    details = f"BB=4,a=1%262,tag={done.stdout[:12]}x"
    says(docker("logs", "--details", name), f"{details} one\n{details} two\n")
    stamped = docker("logs", "--details", "-t", "-n", "1", name).stdout
    assert re.fullmatch(rf"\S+Z {re.escape(details)} two\n", stamped)
    assert LABEL.partition("=")[0] not in details


def test_old_files_are_compressed_and_still_read(docker: Docker, name: str) -> None:
    flags = "--log-opt max-size=4k --log-opt max-file=4 --log-opt compress=true --log-opt mode=non-blocking"
    writes = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done"
    docker(*DETACHED, "--name", name, *flags.split(), IMAGE, "sh", "-c", writes)
    docker("wait", name)
    lines = docker("logs", name).stdout.splitlines()
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], 20001))
    assert docker("logs", "-n", "300", name).stdout.splitlines() == lines[-300:]
    if not OUTSIDE:
        path = Path(docker("inspect", "-f", "{{.LogPath}}", name).stdout.strip())
        assert (path.parent / "log.2.gz").exists()
        assert eventually(lambda: not list(path.parent.glob(".log*")))


def test_the_journals_protocol() -> None:
    """No journal runs where tests do: what it would get is held against its documentation."""
    from sampan.runtime.log_lines import journal_entry

    entry = journal_entry({"CONTAINER_NAME": "x"}, b"a line", partial=True)
    assert entry == b"CONTAINER_NAME=x\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=a line\n"
    assert journal_entry({}, b"a\nb", partial=False) == b"MESSAGE\n" + struct.pack("<Q", 3) + b"a\nb\n"
