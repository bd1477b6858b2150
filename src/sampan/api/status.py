"""Which HTTP status does a failure get, and what does its body say?

The one table (Engine API: `{"message": …}`). What is not one of the engine's own kinds of failure is a defect or the
machine's trouble: the client gets a number to look for in the daemon's log, never the text of an exception.
"""

import errno
import logging
import secrets

from sampan.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotSupported,
    SampanError,
    Unavailable,
)
from sampan.registry.auth import Unauthorized

STATUS = {
    InvalidRequest: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    NotSupported: 501,
    Unavailable: 503,
}

# A command that the container cannot run is the request's fault; everything else that goes wrong at a start is not.
COMMAND_NOT_RUNNABLE = (126, 127)

_log = logging.getLogger("sampan.api")


def status_of(error: Exception) -> int:
    """The HTTP status of a failure."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 400 if getattr(error, "exit_code", 0) in COMMAND_NOT_RUNNABLE else 500


def sentence_of(error: Exception) -> str:
    """The sentence a client reads. What was not foreseen is logged, under the number that the sentence names."""
    if isinstance(error, SampanError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on device: the engine's data root is full"  # nothing to look for in a log
    number = secrets.token_hex(4)
    _log.error("unforeseen failure=%s", number, exc_info=error)
    reason = f"{error.strerror}; " if isinstance(error, OSError) and error.strerror else ""
    return f"internal error: {reason}see the daemon's log for {number}"
