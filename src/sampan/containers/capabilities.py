"""Which capabilities does a container have?

Docker's fourteen, unless asked otherwise (capabilities(7)). `ALL` in --cap-add and --cap-drop stands for all that the
daemon itself has: more could not be given. Pure.
"""

from collections.abc import Iterable, Sequence

from sampan.errors import InvalidRequest
from sampan.linux.capability import CAPABILITIES

ALL = "ALL"

# In the order that dockerd writes them into the runtime spec.
DEFAULT = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)


def normalized(names: Iterable[str], field: str) -> list[str]:
    """`net_admin`, `NET_ADMIN`, `CAP_NET_ADMIN` as the last of these. Raises InvalidRequest naming `field`."""
    result = []
    for name in names:
        upper = name.upper()
        if upper != ALL:
            upper = upper if upper.startswith("CAP_") else f"CAP_{upper}"
            if upper not in CAPABILITIES:
                raise InvalidRequest(f'invalid {field}: unknown capability: "{upper}"')
        result.append(upper)
    return result


def chosen(add: Sequence[str], drop: Sequence[str], *, privileged: bool, available: frozenset[str]) -> tuple[str, ...]:
    """The capabilities for --cap-add, --cap-drop and --privileged. Raises InvalidRequest for an unknown name.

    With `ALL` added only the dropped ones are missing; with `ALL` dropped only the added ones are there.
    """
    every = tuple(name for name in CAPABILITIES if name in available)
    if privileged:
        return every
    added, dropped = normalized(add, "CapAdd"), normalized(drop, "CapDrop")
    if ALL in added:
        return tuple(name for name in every if name not in dropped)
    named = tuple(name for name in added if name not in DEFAULT or ALL in dropped)
    if ALL in dropped:
        return tuple(dict.fromkeys(named))
    return tuple(dict.fromkeys((*(name for name in DEFAULT if name not in dropped), *named)))
