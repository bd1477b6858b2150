"""Which kernel does a program believe it runs on?

personality(2): LINUX32 makes uname(2) say i686, for instance.
"""

from sampan.linux.call import call

PER_LINUX = 0x0000
PER_LINUX32 = 0x0008
ADDR_NO_RANDOMIZE = 0x0040000
QUERY = 0xFFFFFFFF


def personality(persona: int) -> int:
    """personality(2): sets the execution domain and returns the one before; QUERY only asks."""
    return call("personality", persona)
