"""Are secrets taken once, few and small?"""

import base64

import pytest

from sampan.builder.inputs import BYTES_MAX, WAITING_MAX, Inputs
from sampan.errors import InvalidRequest, NotFound, Unavailable


def test_what_is_left_is_taken_once() -> None:
    inputs = Inputs()
    word = inputs.leave({"a": base64.b64encode(b"\0secret").decode()})
    assert inputs.take(word) == {"a": b"\0secret"}
    with pytest.raises(NotFound):
        inputs.take(word)


def test_bounds() -> None:
    inputs = Inputs()
    with pytest.raises(InvalidRequest, match="not base64"):
        inputs.leave({"a": "%%%"})
    with pytest.raises(InvalidRequest, match="larger than"):
        inputs.leave({"a": base64.b64encode(bytes(BYTES_MAX + 1)).decode()})
    for _ in range(WAITING_MAX):
        inputs.leave({})
    with pytest.raises(Unavailable):
        inputs.leave({})
