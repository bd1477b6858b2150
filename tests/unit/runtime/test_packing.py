"""Does what is moved together stay what it was, and does what is new come to lie apart from what is old?"""

import subprocess
import sys
from types import SimpleNamespace

from sampan.runtime.packing import POOL, close_gaps, gather

# In an interpreter of its own: gaps are between all objects that there are.
PROBE = """
from sampan.runtime.packing import POOL, close_gaps
old = [bytes(60) for _ in range(5000)]
del old[::50]
filling = close_gaps() if {closes} else []
new = [bytes(60) for _ in range(100)]
print(len({{id(each) // POOL for each in new}}))
"""


def pools(*, closes: bool) -> int:
    """Over how many pools a hundred new objects are spread."""
    program = PROBE.format(closes=closes)
    return int(subprocess.run((sys.executable, "-c", program), capture_output=True, check=True).stdout)


def test_new_objects_lie_together_when_the_gaps_are_closed() -> None:
    assert pools(closes=True) <= 1 + 100 * 96 // POOL + 1 < pools(closes=False)


def test_what_fills_the_gaps_is_bounded() -> None:
    assert len(close_gaps()) < 2_000_000


def called(number: int = 1, *, other: int = 2) -> tuple[int, int]:
    return number, other


def idle() -> None:
    """Never called."""


def test_code_that_ran_is_moved_and_runs_as_before() -> None:
    before = SimpleNamespace(called=called.__code__, idle=idle.__code__)
    gather(called)
    assert called.__code__ is not before.called and called.__code__ == before.called
    assert idle.__code__ is before.idle
    assert called() == (1, 2) and called(3, other=4) == (3, 4)
    assert sys.getprofile() is None
