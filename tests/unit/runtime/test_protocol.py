"""Do messages survive being cut anywhere, and are strangers' messages refused?"""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.runtime.protocol import LENGTH, MAX_MESSAGE, BrokenMessage, Decoder, encode, receive, send

messages = st.lists(st.dictionaries(st.text(max_size=5).filter(lambda key: key != "fds"), st.integers()), max_size=5)


@given(messages, st.data())
def test_messages_arrive_whole_however_they_are_cut(sent: list[dict[str, int]], data: st.DataObject) -> None:
    stream = b"".join(encode(message) for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += [message for message, _ in decoder.feed(stream[start:end])]
    assert received == sent


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"1"])
def test_what_is_not_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenMessage):
        list(Decoder().feed(LENGTH.pack(len(body)) + body))


def test_a_length_over_the_limit_is_refused_before_anything_is_kept() -> None:
    with pytest.raises(BrokenMessage):
        list(Decoder().feed(LENGTH.pack(MAX_MESSAGE + 1)))


def test_descriptors_belong_to_the_message_that_counts_them() -> None:
    first, second = os.pipe(), os.pipe()
    decoder = Decoder()
    # The kernel may deliver the end of one message together with the next one's descriptors.
    both = encode({"n": 1}) + encode({"n": 2}, 2) + encode({"n": 3}, 1)
    got = list(decoder.feed(both, [first[0], first[1], second[0]]))
    assert [(message["n"], fds) for message, fds in got] == [(1, []), (2, list(first)), (3, [second[0]])]
    for fd in (*first, *second):
        os.close(fd)


def test_a_message_and_its_descriptor_cross_a_socket() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    send(ours, {"hello": "x"}, [writer])
    os.close(writer)
    received = receive(theirs)
    assert received is not None
    message, (copy,) = received
    assert message == {"hello": "x"}
    os.write(copy, b"through")
    assert os.read(reader, 20) == b"through"
    ours.close()
    assert receive(theirs) is None
    for fd in (reader, copy):
        os.close(fd)
    theirs.close()


def test_missing_descriptors_are_noticed() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(encode({"a": 1}, 1))
    with pytest.raises(BrokenMessage):
        receive(theirs)
    ours.close()
    theirs.close()
