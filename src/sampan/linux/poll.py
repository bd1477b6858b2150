"""Is there something to read, now or soon?

poll(2) rather than select(2), which knows descriptors below 1024 only.
"""

import math
import select


def readable(fd: int, seconds: float = 0) -> bool:
    """Whether a descriptor becomes readable, or is hung up, within `seconds`."""
    polled = select.poll()
    polled.register(fd, select.POLLIN)
    return bool(polled.poll(math.ceil(seconds * 1000)))
