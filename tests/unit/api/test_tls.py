"""Encrypted clients: only those with a certificate, and half-closing works (G01)."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sampan.api import tls

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and certificates with keys: `server`, `client`, and `stranger` of another authority."""
    directory = tmp_path_factory.mktemp("certificates")
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    for authority in ("ca", "other"):
        openssl("req", "-x509", *options, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj", "/CN=ca")
    for name, authority in (("server", "ca"), ("client", "ca"), ("stranger", "other")):
        openssl("req", *options, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=localhost")
        signer = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "1"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem")
    return directory


def client_context(directory: Path, name: str) -> ssl.SSLContext:
    """A client that trusts our authority and shows the certificate `name`, if it has one."""
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    context.check_hostname = False
    if name:
        context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
    return context


def through_tunnel(directory: Path, client: Callable[[socket.socket], bytes]) -> tuple[bytes, list[bytes]]:
    """What the client returns, and what the plain end received; it answers with what it received, upper case."""
    received: list[bytes] = []

    async def answer(plain: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=plain)

        async def talk() -> None:
            received.append(await reader.read())  # to the end of the client's input
            writer.write(received[0].upper())
            await writer.drain()
            writer.close()

        talks.append(asyncio.create_task(talk()))

    talks: list[asyncio.Task[None]] = []

    async def run() -> bytes:
        context = tls.mutual_context(
            ca=str(directory / "ca.pem"), certificate=str(directory / "server.pem"), key=str(directory / "server.key")
        )
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        result, _ = await asyncio.gather(asyncio.to_thread(client, theirs), tls.serve(ours, context, answer))
        await asyncio.gather(*talks)
        return result

    return asyncio.run(run()), received


def test_bytes_arrive_and_the_answer_comes_after_the_end_of_the_input(certificates: Path) -> None:
    data = b"some input " * 100_000

    def client(raw: socket.socket) -> bytes:
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = client_context(certificates, "client").wrap_bio(received, sent, server_hostname="localhost")

        def exchange(act: Callable[[], object]) -> object:
            while True:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    raw.sendall(sent.read())
                    received.write(raw.recv(1 << 16))

        exchange(session.do_handshake)
        for start in range(0, len(data), 1 << 14):
            session.write(data[start : start + (1 << 14)])
            raw.sendall(sent.read())
        try:
            session.unwrap()  # close_notify: nothing more will be sent
        except ssl.SSLError:
            pass
        raw.sendall(sent.read())
        while piece := raw.recv(1 << 16):
            received.write(piece)
        # OpenSSL will not read after unwrap() has begun, so only the size of what came can be seen here.
        return received.read()

    answer, (got,) = through_tunnel(certificates, client)
    assert got == data
    assert len(answer) > len(data)


@pytest.mark.parametrize("name", ["", "stranger"])
def test_strangers_are_turned_away_before_they_can_ask(certificates: Path, name: str) -> None:
    def client(raw: socket.socket) -> bytes:
        try:
            with client_context(certificates, name).wrap_socket(raw, server_hostname="localhost") as session:
                session.sendall(b"GET /containers/json HTTP/1.1\r\n\r\n")
                return session.recv(100)
        except OSError:
            return b""

    assert through_tunnel(certificates, client) == (b"", [])


def test_plain_http_to_the_encrypted_port_is_turned_away(certificates: Path) -> None:
    def client(raw: socket.socket) -> bytes:
        with raw:
            raw.sendall(b"GET /_ping HTTP/1.1\r\n\r\n")
            return raw.recv(100)

    answer, received = through_tunnel(certificates, client)
    assert b"HTTP" not in answer
    assert not received
