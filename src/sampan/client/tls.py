"""How does a connection look the same encrypted: half-close, partial sends and all?

`ssl.SSLSocket` can neither send without waiting nor end its input and go on reading: its `unwrap` would take what the
engine still has to say for an error. So the TLS session works on memory here, and we decide when bytes move. Only what
`connection.py` and `stream.py` use of a socket is there.
"""

from __future__ import annotations

import os
import socket
import ssl

from sampan.client.endpoint import Tls
from sampan.errors import InvalidRequest

READ_SIZE = 64 * 1024
RECORD = 16 * 1024  # the most that TLS puts into one record (RFC 8446, 5.1)


def context_of(tls: Tls) -> ssl.SSLContext:
    """Who is trusted, and who we say that we are. Raises InvalidRequest when a file cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file = tls.authority
    try:
        if tls.verify:
            context.load_verify_locations(file)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        file = f"{tls.certificate} with {tls.key}"
        if os.path.exists(tls.certificate) and os.path.exists(tls.key):
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        reason = error.strerror or error
        raise InvalidRequest(
            f"cannot read the certificate {file}: {reason}: set DOCKER_CERT_PATH, or --tlscacert"
        ) from None
    return context


class TlsSocket:
    """A connected socket with TLS over it; the handshake is done when it exists."""

    def __init__(self, plain: socket.socket, host: str, tls: Tls) -> None:
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context_of(tls).wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._sealed = b""  # encrypted, not yet sent
        self._accepted = 0  # bytes of the caller's data that `_sealed` stands for
        while True:
            try:
                self._session.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._fill()
        self._flush()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At least one byte; none at the end. With MSG_DONTWAIT: BlockingIOError when what came has no data in it.

        That happens: a session ticket, or the first part of a record, makes the socket readable but is nothing to read.
        """
        while True:
            try:
                return self._session.read(size)
            except ssl.SSLWantReadError:
                self._fill(flags)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def pending(self) -> int:
        """Decrypted or received bytes that poll(2) does not know of."""
        return self._session.pending() + self._incoming.pending

    def sendall(self, data: bytes) -> None:
        """Send everything, however long it takes."""
        view = memoryview(data)
        while view:
            view = view[self._session.write(view[:RECORD]) :]
            self._flush()

    def send(self, data: bytes, flags: int) -> int:
        """Send as much as goes without waiting. After BlockingIOError, call again with the same data."""
        if not self._sealed:
            self._accepted = self._session.write(data[:RECORD])
            self._sealed = self._outgoing.read()
        while self._sealed:
            self._sealed = self._sealed[self._plain.send(self._sealed, flags) :]
        return self._accepted

    def shutdown(self, how: int) -> None:
        """Tell the other side that we send no more (close_notify), and go on reading. `how` is SHUT_WR."""
        if self._incoming.pending or self._session.pending():
            raise ValueError("read what has come before ending the input")
        try:
            self._session.unwrap()
        except ssl.SSLWantReadError:
            pass  # it has sent its own and would now wait for theirs, which comes when they are done
        self._flush()

    def fileno(self) -> int:
        """For poll(2)."""
        return self._plain.fileno()

    def close(self) -> None:
        """Idempotent."""
        self._plain.close()

    def _flush(self) -> None:
        sealed = self._sealed + self._outgoing.read()
        self._sealed = b""
        if sealed:
            self._plain.sendall(sealed)

    def _fill(self, flags: int = 0) -> None:
        if self._sealed:
            # Behind what `send` still owes, and not waited for: the caller is here because it wants to read.
            self._sealed += self._outgoing.read()
        else:
            try:
                self._flush()
            except (BrokenPipeError, ConnectionResetError):
                pass  # they read no more; what they said before is read all the same
        data = self._plain.recv(READ_SIZE, flags)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
