"""Is a response the same however the network cuts it, and is what is not HTTP refused?"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.client.http import BadResponse, ResponseParser, parse_head, quote, render_query, render_request


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces that end at `places`."""
    edges = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


def read(pieces: list[bytes], method: str = "GET", *, ends: bool = False) -> tuple[ResponseParser, bytes]:
    """The parser after all pieces, and the body."""
    parser = ResponseParser(method)
    body = b"".join(parser.feed(piece) for piece in pieces)
    if ends:
        parser.feed_end()
    return parser, body


def chunked(chunks: list[bytes]) -> bytes:
    """Chunks as they are coded, the last one included."""
    return (
        b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk) + b"0\r\nTrailer: x\r\n\r\n"
    )


@given(st.binary(max_size=300), st.binary(max_size=50), st.lists(st.integers(0, 500)))
def test_a_body_with_length_is_the_same_however_it_is_cut(body: bytes, after: bytes, places: list[int]) -> None:
    message = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b%b" % (len(body), body, after)
    parser, found = read(cut(message, places))
    assert (found, parser.finished, parser.rest()) == (body, True, after)


@given(st.lists(st.binary(max_size=100), max_size=5), st.binary(max_size=50), st.lists(st.integers(0, 900)))
def test_a_chunked_body_is_the_same_however_it_is_cut(chunks: list[bytes], after: bytes, places: list[int]) -> None:
    message = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(chunks) + after
    parser, found = read(cut(message, places))
    assert (found, parser.finished, parser.rest()) == (b"".join(chunks), True, after)


@given(st.binary(max_size=200), st.lists(st.integers(0, 300)))
def test_an_upgrade_keeps_the_first_bytes_of_the_stream(after: bytes, places: list[int]) -> None:
    parser, body = read(cut(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n" + after, places))
    assert parser.finished
    assert (body, parser.rest()) == (b"", after)


@given(st.binary(max_size=200), st.lists(st.integers(0, 300)))
def test_a_body_without_length_ends_with_the_connection(body: bytes, places: list[int]) -> None:
    parser, found = read(cut(b"HTTP/1.1 200 OK\r\n\r\n" + body, places), ends=True)
    assert (found, parser.finished) == (body, True)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_bytes_are_read_or_refused(data: bytes, places: list[int]) -> None:
    try:
        read(cut(data, places), ends=True)
    except BadResponse:
        pass


def test_a_head_answer_has_no_body() -> None:
    parser, body = read([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], "HEAD")
    assert (parser.finished, body) == (True, b"")


def test_interim_responses_are_skipped() -> None:
    parser, body = read([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"])
    assert parser.head is not None
    assert (parser.head.status, parser.finished, body) == (204, True, b"")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1",
        b"200 OK",
        b"HTTP/1.1 200 OK\r\nname without colon",
        b"HTTP/1.1 200 OK\r\n: value",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded: line",
        b"HTTP/1.1 200 OK\r\nName : value",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1e3",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30,
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000,
    ],
)
def test_a_bad_head_is_refused(head: bytes) -> None:
    with pytest.raises(BadResponse):
        read([head, b"\r\n\r\n"])


@pytest.mark.parametrize("body", [b"x\r\n", b"\r\n", b"1\r\nab\r\n", b"-1\r\n", b"f" * 17 + b"\r\n", b"1" * 5000])
def test_bad_chunks_are_refused(body: bytes) -> None:
    with pytest.raises(BadResponse):
        read([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body])


@pytest.mark.parametrize("message", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1"])
def test_an_end_in_the_middle_is_refused(message: bytes) -> None:
    with pytest.raises(BadResponse):
        read([message], ends=True)


def test_repeated_fields_are_joined() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\nConnection: close")
    assert head.fields["a"] == "1, 2"
    assert not head.keeps_alive


@given(st.text(max_size=40))
def test_quoting_leaves_nothing_that_has_a_meaning(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert not set(quote(text)) & set(" ?#&=/\r\n")
    assert bytes.fromhex("".join(f"{ord(c):02x}" for c in unquote(quote(text)))).decode() == text


def unquote(text: str) -> str:
    """One character for each byte that `text` stands for."""
    out, at = "", 0
    while at < len(text):
        if text[at] == "%":
            out, at = out + chr(int(text[at + 1 : at + 3], 16)), at + 3
        else:
            out, at = out + text[at], at + 1
    return out


def test_a_query_is_in_order_and_repeats_names() -> None:
    assert render_query({"b": ["2", "x y"], "a": "1"}) == "?a=1&b=2&b=x%20y"
    assert render_query({}) == ""


def test_a_request_cannot_be_smuggled() -> None:
    assert render_request("GET", "/x", {"A": "1"}, b"body") == b"GET /x HTTP/1.1\r\nA: 1\r\n\r\nbody"
    for target, value in (("/x y", "1"), ("/x\r\nB: 2", "1"), ("/x", "1\r\nB: 2")):
        with pytest.raises(ValueError, match="not fit"):
            render_request("GET", target, {"A": value})
