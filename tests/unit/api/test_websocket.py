"""A WebSocket becomes a container's stdio, in both directions and to the end."""

import asyncio
import os
import socket

import aiohttp

from .conftest import Served

PATH = "http://x/containers/term/attach/ws?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a"


def test_bytes_go_both_ways_until_the_container_ends(api: Served) -> None:
    async def talk() -> list[bytes]:
        connector = aiohttp.UnixConnector(api.path)
        async with aiohttp.ClientSession(connector=connector) as session, session.ws_connect(PATH) as client:
            stream = await asyncio.to_thread(api.attached)
            assert (stream.framed, stream.stdin, stream.stdout, stream.detach_keys) == (False, True, True, b"\x01")
            with socket.socket(fileno=stream.fd) as shim:
                shim.settimeout(10)
                await client.send_bytes(b"binary")
                await client.send_str(" and text")
                got = b""
                while len(got) < len(b"binary and text"):
                    got += await asyncio.to_thread(shim.recv, 100)
                shim.sendall(b"\xff out")
                answer = await client.receive_bytes()
            end = await client.receive()
            assert end.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)
            return [got, answer]

    assert asyncio.run(talk()) == [b"binary and text", b"\xff out"]


def test_a_client_that_leaves_is_gone_for_the_container_too(api: Served) -> None:
    async def talk() -> bytes:
        connector = aiohttp.UnixConnector(api.path)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.ws_connect(PATH):
                stream = await asyncio.to_thread(api.attached)
            with socket.socket(fileno=stream.fd) as shim:
                shim.settimeout(10)
                return await asyncio.to_thread(shim.recv, 100)

    before = len(os.listdir("/proc/self/fd"))
    assert asyncio.run(talk()) == b""
    api.request("GET", "/_ping")
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_a_container_that_is_not_there_is_404(api: Served) -> None:
    assert api.message("GET", "/containers/gone/attach/ws") == (404, "No such container: gone")
