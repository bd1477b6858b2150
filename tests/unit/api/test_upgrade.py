"""An upgrade request and what follows it are told apart wherever the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api.upgrade import Divider

REQUEST = (
    b"POST /exec/1/start HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: Upgrade\r\nupgrade:  TCP\r\n\r\n{}"
)
ORDINARY = [
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST /a HTTP/1.1\r\nUpgrade: tcp\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nX: upgrade: tcp\r\n\r\n",
]


def divided(data: bytes, cuts: list[int]) -> tuple[bytes, bytes, bool]:
    """What a divider makes of `data` cut at these places."""
    divider, request, behind = Divider(1000), b"", b""
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        mine, rest = divider.feed(data[start:end])
        request, behind = request + mine, behind + rest
    return request, behind, divider.is_complete


@given(st.binary(max_size=60), st.lists(st.integers(0, len(REQUEST)), max_size=6))
def test_what_follows_an_upgrade_is_kept_apart(behind: bytes, cuts: list[int]) -> None:
    assert divided(REQUEST + behind, cuts) == (REQUEST, behind, True)


@pytest.mark.parametrize("request_bytes", ORDINARY)
@given(cuts=st.lists(st.integers(0, 30), max_size=4))
def test_what_is_no_upgrade_passes_whole(request_bytes: bytes, cuts: list[int]) -> None:
    data = request_bytes + REQUEST
    assert divided(data, cuts) == (data, b"", False)


def test_a_head_without_end_is_not_collected_for_ever() -> None:
    divider = Divider(1000)
    for _ in range(3):
        assert divider.feed(b"a" * 1000) == (b"a" * 1000, b"")
    assert divider.feed(REQUEST) == (REQUEST, b"")
