"""Which signal does a user mean?

`KILL`, `SIGKILL`, `9`, `RTMIN+3` (signal(7)); case does not matter.
"""

import re
import signal

from sampan.errors import InvalidRequest

NUMBERS = {name.removeprefix("SIG"): int(number) for name, number in signal.Signals.__members__.items()}
HIGHEST = 64
REALTIME = re.compile(r"(RTMIN|RTMAX)([+-])([0-9]{1,2})")


def parse(text: str) -> int:
    """The number of a signal. Raises InvalidRequest with dockerd's sentence."""
    if text.isdecimal() and text.isascii():
        number = int(text)
        if 1 <= number <= HIGHEST:
            return number
        raise InvalidRequest(f"The linux daemon does not support signal {number}" if number else _invalid(text))
    name = text.upper().removeprefix("SIG")
    if name in NUMBERS:
        return NUMBERS[name]
    if match := REALTIME.fullmatch(name):
        base, sign, offset = NUMBERS[match[1]], match[2], int(match[3])
        number = base + offset if sign == "+" else base - offset
        if NUMBERS["RTMIN"] <= number <= NUMBERS["RTMAX"]:
            return number
    raise InvalidRequest(_invalid(text))


def _invalid(text: str) -> str:
    return f"Invalid signal: {text}"
