"""How do a fork's writes stay on few pages?

A forked process shares every page that neither side writes to, and an interpreter writes where one would not look for
it: a reference count into all that it uses, a new object into the first gap between old ones. Each costs a page of
4 kB however small it is. So before its first fork the zygote moves what its children will run to one place, and closes
the gaps. A shim has 1.9 MB to itself where it had 2.3 (docs/decisions/0005, bench/memory.py).
"""

import gc
import sys
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType

# CPython's allocator for small objects (Objects/obmalloc.c): blocks of one size lie in a pool, behind its head.
POOL = 16 << 10
HEAD = 48
STEP = 16
LARGEST = 512
GAPS = 20_000  # of one size; more are only counted where the allocator is another, and there is nothing to be done
BYTES_HEAD = sys.getsizeof(b"")


def gather(work: Callable[[], None]) -> None:
    """Do `work`, and move the code of all functions that it called to one place."""
    called: set[CodeType] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        called.add(frame.f_code)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    for function in [each for each in gc.get_objects() if isinstance(each, FunctionType) and each.__code__ in called]:
        function.__code__ = function.__code__.replace()


def close_gaps() -> list[object]:
    """What fills all gaps between small objects, as long as it is kept: new ones then lie together, on new pages."""
    filling: list[object] = []
    for size in range(STEP, LARGEST + STEP, STEP):
        in_a_row = last = 0
        for _ in range(GAPS):
            filling.append(_block(size))
            address = id(filling[-1])
            follows = in_a_row and address == last + size
            in_a_row = 1 if address % POOL == HEAD else in_a_row + 1 if follows else 0
            last = address
            if in_a_row == 3:  # the first three blocks of a pool in their order: it is new, so all others are full
                del filling[-3:]
                break
    return filling


def _block(size: int) -> object:
    if size == 16:
        return object()
    return complex(size) if size == 32 else bytes(size - BYTES_HEAD)
