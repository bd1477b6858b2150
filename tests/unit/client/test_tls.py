"""Does an encrypted connection behave as a plain one: answers, half-close, much in both directions at once?"""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sampan.client.connection import CannotConnect, Connection, connect
from sampan.client.endpoint import Endpoint, Tls
from sampan.client.http import render_request
from sampan.client.stream import Streams
from sampan.errors import InvalidRequest

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
Serve = Callable[[ssl.SSLSocket], None]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and `server` and `client` certificates with their keys."""
    directory = tmp_path_factory.mktemp("certificates")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", *new, "-days", "1", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    (directory / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem")
    return directory


@pytest.fixture
def serve(certificates: Path) -> Iterator[Callable[[Serve], Endpoint]]:
    """Serves one connection over mutual TLS; the endpoint of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(act: Serve) -> Endpoint:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED

        def run() -> None:
            plain, _ = listener.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as session:
                    act(session)
            except OSError:
                pass  # the client turned away: what it then says is what is tested

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        files = (str(certificates / name) for name in ("ca.pem", "client.pem", "client.key"))
        return Endpoint(f"tcp://127.0.0.1:{listener.getsockname()[1]}", tls=Tls(*files, verify=True))

    yield start
    listener.close()
    for thread in threads:
        thread.join(10)


def test_an_answer(serve: Callable[[Serve], Endpoint]) -> None:
    def engine(session: ssl.SSLSocket) -> None:
        session.recv(1000)
        session.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        session.sendall(b"x" * 100_000)

    response = Connection(connect(serve(engine))).send("GET", render_request("GET", "/", {}))
    assert len(response.read()) == 100_000


def test_the_end_of_our_input_is_not_the_end_of_their_output(
    serve: Callable[[Serve], Endpoint], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The container echoes while it is fed, slower than it is fed, and goes on after the end."""

    def engine(session: ssl.SSLSocket) -> None:
        while data := session.recv(3000):
            session.sendall(data.upper())
        session.sendall(b"done")

    (tmp_path / "input").write_bytes(b"some input\n" * 200_000)
    with (tmp_path / "input").open("rb") as file:
        Streams(connect(serve(engine)), b"", framed=False, stdin=file.fileno()).copy()
    assert capfd.readouterr().out == "SOME INPUT\n" * 200_000 + "done"


def test_a_session_ticket_is_no_output_to_wait_for(
    serve: Callable[[Serve], Endpoint], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It makes the connection readable; the engine says nothing before it has our input."""
    handshaken = threading.Event()

    def engine(session: ssl.SSLSocket) -> None:
        handshaken.set()
        session.settimeout(8)
        session.sendall(session.recv(100).upper())
        assert session.recv(100) == b""

    (tmp_path / "input").write_bytes(b"input")
    connection = connect(serve(engine))
    assert handshaken.wait(8)  # and the tickets are sent
    with (tmp_path / "input").open("rb") as file:
        Streams(connection, b"", framed=False, stdin=file.fileno()).copy()
    assert capfd.readouterr().out == "INPUT"


def test_without_input_its_end_is_told_at_once(
    serve: Callable[[Serve], Endpoint], capfd: pytest.CaptureFixture[str]
) -> None:
    def engine(session: ssl.SSLSocket) -> None:
        session.sendall(b"early ")
        assert session.recv(10) == b""
        session.sendall(b"late")

    Streams(connect(serve(engine)), b"", framed=False).copy()
    assert capfd.readouterr().out == "early late"


def test_a_server_that_we_do_not_trust(serve: Callable[[Serve], Endpoint], certificates: Path) -> None:
    endpoint = serve(lambda session: None)
    assert endpoint.tls is not None
    endpoint.tls.authority = str(certificates / "client.pem")
    with pytest.raises(CannotConnect, match="certificate"):
        connect(endpoint)


def test_without_certificates_a_file_is_named(certificates: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(InvalidRequest, match=r"cannot read the certificate /nonexistent/ca\.pem"):
            connect(Endpoint(url, tls=Tls("/nonexistent/ca.pem", "", "", verify=True)))
