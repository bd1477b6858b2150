"""Does the way from a step to the client's SSH agent stay narrow: two questions, bounded, whoever hangs up when?"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.builder.ssh_agent import CONNECTIONS_MAX, Link, agent_socket
from sampan.errors import Conflict
from sampan.wire.ssh_agent import (
    FAILURE,
    HEAD,
    LENGTH,
    MESSAGE_MAX,
    SIZE_MAX,
    answer,
    may_ask,
    parse_question,
    question,
)

LIST = b"\x0b"
FAILED = LENGTH.pack(1) + FAILURE


@given(st.integers(0, 2**32 - 1), st.text(max_size=16), st.binary(max_size=1000))
def test_a_question_comes_back(number: int, agent: str, message: bytes) -> None:
    data = question(number, agent, message)
    assert HEAD.unpack(data[: HEAD.size]) == (number, len(data) - HEAD.size)
    assert parse_question(data[HEAD.size :]) == (agent, message)


@given(st.binary(max_size=3))
def test_only_two_questions_may_be_asked(rest: bytes) -> None:
    assert [kind for kind in range(256) if may_ask(bytes((kind,)) + rest)] == [11, 13]
    assert not may_ask(b"")


def with_client(root: Path, talk: Callable[[Link, Path, socket.socket], Awaitable[None]]) -> None:
    """Run `talk` with a link, the socket of a step and the client's end of its connection."""

    async def main() -> None:
        link = Link(["default"])
        ours, client = socket.socketpair()
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        serving = asyncio.ensure_future(link.serve(reader, writer))
        await asyncio.sleep(0)
        async with agent_socket(link, "default", root / "step", mode=0o600, uid=0, gid=0) as path:
            await asyncio.wait_for(talk(link, path, client), 20)
        assert not (root / "step").exists()
        client.close()
        await asyncio.wait_for(serving, 20)

    asyncio.run(main())


async def received(client: socket.socket, size: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < size:
        piece = await asyncio.get_running_loop().sock_recv(client, size - len(data))
        assert piece
        data += piece
    return data


def test_answers_find_their_questions(tmp_path: Path) -> None:
    async def talk(link: Link, path: Path, client: socket.socket) -> None:
        steps = [await asyncio.open_unix_connection(path) for _ in range(2)]
        for _, writer in steps:
            writer.write(LENGTH.pack(1) + LIST)
        size = len(question(1, "default", LIST))
        numbers = [HEAD.unpack((await received(client, size))[: HEAD.size])[0] for _ in steps]
        client.send(answer(99, b"nobody asked"))
        for number in reversed(numbers):
            client.send(answer(number, b"said %d" % number))
        found = [await reader.readexactly(LENGTH.size + 6) for reader, _ in steps]
        assert sorted(each[LENGTH.size :] for each in found) == [b"said 1", b"said 2"]

    with_client(tmp_path, talk)


def test_whatever_else_is_asked_fails_and_is_not_passed_on(tmp_path: Path) -> None:
    async def talk(link: Link, path: Path, client: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        for kind in (17, 18, 19, 22, 25, 27):
            writer.write(LENGTH.pack(1) + bytes((kind,)))
            assert await reader.readexactly(len(FAILED)) == FAILED
        for size in (0, MESSAGE_MAX + 1):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(LENGTH.pack(size))
            assert await reader.read() == b""
        with pytest.raises(BlockingIOError):
            client.recv(1)

    with_client(tmp_path, talk)


def test_connections_are_bounded(tmp_path: Path) -> None:
    async def talk(link: Link, path: Path, client: socket.socket) -> None:
        held = []
        for _ in range(CONNECTIONS_MAX):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(LENGTH.pack(1) + b"\x13")
            assert await reader.readexactly(len(FAILED)) == FAILED
            held.append((reader, writer))
        reader, _ = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        held[0][1].close()
        assert len(held) == CONNECTIONS_MAX

    with_client(tmp_path, talk)


@pytest.mark.parametrize("said", [b"", HEAD.pack(1, SIZE_MAX + 1)], ids=["it hangs up", "it says what is no answer"])
def test_a_client_that_goes_makes_questions_fail(tmp_path: Path, said: bytes) -> None:
    async def talk(link: Link, path: Path, client: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(LENGTH.pack(1) + LIST)
        await received(client, len(question(1, "default", LIST)))
        client.send(said) if said else client.shutdown(socket.SHUT_RDWR)
        assert await reader.readexactly(len(FAILED)) == FAILED
        writer.write(LENGTH.pack(1) + LIST)
        assert await reader.readexactly(len(FAILED)) == FAILED

    with_client(tmp_path, talk)


def test_there_is_one_client_only(tmp_path: Path) -> None:
    async def talk(link: Link, path: Path, client: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        with pytest.raises(Conflict):
            await link.serve(reader, writer)
        writer.close()

    with_client(tmp_path, talk)
