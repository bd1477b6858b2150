"""What does it mean for a user when the kernel refuses?"""

import errno
from collections.abc import Callable
from typing import TypeVar

from sampan.errors import NotSupported, SampanError

T = TypeVar("T")


class NetworkFailed(SampanError):
    """The kernel refused; HTTP 500."""


def explained(work: Callable[[], T]) -> T:
    """Do it, and say in a sentence what the kernel refused."""
    try:
        return work()
    except OSError as error:
        raise as_said(error) from error


def as_said(error: OSError) -> SampanError:
    """What the kernel refused, in a sentence."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return NotSupported(
            "bridge networks need CAP_NET_ADMIN, which this daemon does not have: "
            "use --network none or host, or give it that right"
        )
    if error.errno in (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        return NotSupported(
            f"this kernel cannot do what this network needs ({error.strerror}): bridge, veth, macvlan and nf_tables"
        )
    return NetworkFailed(f"{error.filename or 'network'}: {(error.strerror or str(error)).lower()}")
