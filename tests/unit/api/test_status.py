"""Each kind of failure has one status."""

import errno

import pytest

from sampan.api.status import sentence_of, status_of
from sampan.errors import Conflict, Forbidden, InvalidRequest, NotFound, NotSupported, SampanError, Unavailable


class NoSuchThing(NotFound):
    """A case of a kind."""


class Failed(SampanError):
    """A start that failed."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("it did not start")
        self.exit_code = exit_code


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("x"), 400), (Forbidden("x"), 403), (NotFound("x"), 404), (NoSuchThing("x"), 404),
        (Conflict("x"), 409), (NotSupported("x"), 501), (Unavailable("x"), 503), (SampanError("x"), 500),
        (Failed(127), 400), (Failed(126), 400), (Failed(125), 500), (KeyError("x"), 500), (OSError(), 500),
    ],
)  # fmt: skip
def test_statuses(error: Exception, status: int) -> None:
    assert status_of(error) == status


def test_only_foreseen_failures_speak_for_themselves() -> None:
    assert sentence_of(NotFound("No such container: a")) == "No such container: a"
    assert "secret" not in sentence_of(KeyError("secret"))
    assert "/var/secret" not in sentence_of(FileNotFoundError(errno.ENOENT, "No such file or directory", "/var/secret"))
    assert "no space left on device" in sentence_of(OSError(errno.ENOSPC, "No space left on device", "/x"))
