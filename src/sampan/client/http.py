"""How are the bytes of one HTTP/1.1 response told apart: head, body, and what comes after?

Fed with bytes cut anywhere; knows no socket. It is our own because importing `http.client` takes longer than a whole
`sampan run` needs for everything else (20 ms here), and because it may be strict where `http.client` is lenient: no
obsolete line folding, no bare line feeds, one length and one only (RFC 9112, sections 2.2, 5.2 and 6.3).
"""

from __future__ import annotations

from sampan.errors import Unavailable

HEAD_LIMIT = 64 * 1024
LINE_LIMIT = 4096  # a chunk-size line or one trailer
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
HEX = frozenset(b"0123456789abcdefABCDEF")


class BadResponse(Unavailable):
    """What answered does not speak HTTP/1.1 as it should; the text says where it went wrong."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the engine's answer is not valid HTTP: {what}")


class Head:
    """Status line and header fields; names in lower case, repeated fields joined as RFC 9110 5.3 says."""

    __slots__ = ("fields", "http_1_0", "reason", "status")

    def __init__(self, status: int, reason: str, fields: dict[str, str], http_1_0: bool) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.http_1_0 = http_1_0

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection may carry another request afterwards."""
        wish = self.fields.get("connection", "").lower()
        return "keep-alive" in wish if self.http_1_0 else "close" not in wish


def parse_head(text: bytes) -> Head:
    """The head of a response without its final empty line. Raises BadResponse."""
    first, *lines = text.split(b"\r\n")
    parts = first.split(b" ", 2)
    if len(parts) < 2 or parts[0] not in (b"HTTP/1.1", b"HTTP/1.0") or len(parts[1]) != 3 or not parts[1].isdigit():
        raise BadResponse(f"status line {first[:80]!r}")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or not TOKEN.issuperset(name) or b"\n" in line or b"\r" in line or b"\0" in line:
            raise BadResponse(f"header line {line[:80]!r}")
        key, clean = name.decode("ascii").lower(), value.strip(b" \t").decode("utf-8", "surrogateescape")
        if key in ("content-length", "transfer-encoding") and key in fields:
            raise BadResponse(f"two {key} headers")
        fields[key] = f"{fields[key]}, {clean}" if key in fields else clean
    reason = parts[2].decode("utf-8", "surrogateescape") if len(parts) > 2 else ""
    return Head(int(parts[1]), reason, fields, parts[0] == b"HTTP/1.0")


class ResponseParser:
    """One response to a request with `method`: feed it bytes, it gives back those of the body."""

    def __init__(self, method: str) -> None:
        self.head: Head | None = None
        self.finished = False
        self._method = method
        self._buffer = bytearray()
        self._left: int | None = None  # body bytes still to come; None: until the connection ends
        self._chunks: Chunks | None = None

    def feed(self, data: bytes) -> bytes:
        """The body bytes that `data` brought. Raises BadResponse."""
        if self.head is None:
            self._buffer += data
            if not self._take_head():
                return b""
            data = bytes(self._buffer)
            self._buffer.clear()
        if self.finished:
            self._buffer += data
            return b""
        if self._chunks is not None:
            return self._feed_chunks(self._chunks, data)
        if self._left is None:
            return data
        piece, rest = data[: self._left], data[self._left :]
        self._left -= len(piece)
        self.finished = self._left == 0
        self._buffer += rest
        return piece

    def feed_end(self) -> None:
        """The peer will send no more. Raises BadResponse if the response is not complete."""
        if self.head is not None and self._chunks is None and self._left is None:
            self.finished = True
        if not self.finished:
            raise BadResponse("it ends in the middle" if self.head or self._buffer else "it is empty")

    def rest(self) -> bytes:
        """The bytes after the response: the first of a hijacked stream."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken

    def _take_head(self) -> bool:
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > HEAD_LIMIT:
                    raise BadResponse("its head is too long")
                return False
            head = parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            if not 100 <= head.status < 200 or head.status == 101:
                break  # other 1xx responses only announce the real one (RFC 9110, 15.2)
        self.head = head
        self._plan_body(head)
        return True

    def _plan_body(self, head: Head) -> None:
        """Which bytes are the body: RFC 9112, 6.3."""
        coding, length = head.fields.get("transfer-encoding"), head.fields.get("content-length")
        if head.status in (101, 204, 304) or self._method == "HEAD":
            self.finished = True
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise BadResponse(f"transfer-encoding {coding!r} with content-length {length!r}")
            self._chunks = Chunks()
        elif length is not None:
            if not length.isascii() or not length.isdigit() or len(length) > 18:
                raise BadResponse(f"content-length {length!r}")
            self._left = int(length)
            self.finished = self._left == 0

    def _feed_chunks(self, chunks: Chunks, data: bytes) -> bytes:
        body = chunks.feed(data)
        if chunks.finished:
            self.finished = True
            self._buffer += chunks.rest
        return body


class Chunks:
    """The chunked coding, decoded (RFC 9112, 7.1). Extensions and trailers are read and dropped."""

    def __init__(self) -> None:
        self.finished = False
        self.rest = b""
        self._buffer = bytearray()
        self._left = 0  # bytes of the current chunk still to come
        self._expect = "size"

    def feed(self, data: bytes) -> bytes:
        """The decoded bytes that `data` brought. Raises BadResponse."""
        self._buffer += data
        out = bytearray()
        while not self.finished:
            if self._expect == "data":
                piece = self._buffer[: self._left]
                out += piece
                del self._buffer[: len(piece)]
                self._left -= len(piece)
                if self._left:
                    break
                self._expect = "data end"
            line = self._take_line()
            if line is None:
                break
            self._follow(line)
        return bytes(out)

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end > LINE_LIMIT or (end < 0 and len(self._buffer) > LINE_LIMIT):
            raise BadResponse("a line of its chunked body is too long")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _follow(self, line: bytes) -> None:
        if self._expect == "data end":
            if line:
                raise BadResponse("a chunk is longer than it said")
            self._expect = "size"
        elif self._expect == "trailer":
            if not line:
                self.finished = True
                self.rest = bytes(self._buffer)
        else:
            digits = line.partition(b";")[0].rstrip(b" \t")
            if not 1 <= len(digits) <= 16 or not HEX.issuperset(digits):
                raise BadResponse(f"chunk size {line[:40]!r}")
            self._left = int(digits, 16)
            self._expect = "data" if self._left else "trailer"


def render_request(method: str, target: str, fields: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request. Raises ValueError for a target or field that would smuggle another line in."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    if " " in target or any(not line.isprintable() for line in lines):
        raise ValueError(f"not fit for a request: {target!r}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str, keep: str = "") -> str:
    """`text` percent-encoded (RFC 3986, 2.1) except for unreserved characters and those in `keep`."""
    if SAFE.issuperset(text):
        return text
    encoded = text.encode("utf-8", "surrogateescape")
    return "".join(chr(b) if chr(b) in SAFE or chr(b) in keep else f"%{b:02X}" for b in encoded)


def render_query(pairs: dict[str, str | list[str]]) -> str:
    """`?a=1&b=2` with the keys in order as Go's clients send them; empty for no pairs."""
    parts = []
    for key in sorted(pairs):
        values = pairs[key]
        for value in [values] if isinstance(values, str) else values:
            parts.append(f"{quote(key)}={quote(value)}")
    return "?" + "&".join(parts) if parts else ""
