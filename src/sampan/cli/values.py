"""How are sizes, durations, CPU counts and maps read from flags? The kinds of value that several commands share.

A reader turns text into a value; what it cannot read raises ValueError whose text ends docker's sentence
`invalid argument "x" for "-m, --memory" flag: …`.
"""

from __future__ import annotations

from sampan.cli.flags import Kind, read_number

BINARY_UNITS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
SECONDS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
BILLION = 10**9


def read_bytes(text: str) -> int:
    """`64m`, `1.5g`, `512` as bytes; units are powers of 1024, `b` or `ib` after the letter changes nothing."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = text[len(digits) :].strip().lower()
    letter = unit.removesuffix("ib") if len(unit) == 3 else unit.removesuffix("b")
    if letter not in BINARY_UNITS or not is_decimal(digits):
        raise ValueError(f"invalid size: '{text}'")
    return int(float(digits) * 1024 ** BINARY_UNITS[letter])


def is_decimal(text: str) -> bool:
    """Digits with at most one point, not alone."""
    whole, _, part = text.partition(".")
    return (whole + part).isdigit() and text.isascii()


def read_swap(text: str) -> int:
    """Bytes, or -1 for unlimited."""
    return -1 if text == "-1" else read_bytes(text)


def read_cpus(text: str) -> int:
    """`1.5` as billionths of a CPU."""
    whole, _, part = text.partition(".")
    if not is_decimal(text):
        raise ValueError(f"failed to parse {text} as a rational number")
    part = part.rstrip("0")
    if len(part) > 9:
        raise ValueError("value is too precise")
    return int(whole or "0") * BILLION + int(part.ljust(9, "0"))


def read_duration(text: str) -> int:
    """Go's durations, `1m30s` or `500ms`, as nanoseconds."""
    sign = -1 if text.startswith("-") else 1
    rest = text.lstrip("+-")
    if rest == "0":
        return 0
    total = 0.0
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµmsh"))]
        unit = next((known for known in ("ns", "us", "µs", "ms", "s", "m", "h") if unit.startswith(known)), "")
        if not is_decimal(number) or not unit:
            raise ValueError(f'invalid duration "{text}": write it as 30s, 1m30s or 500ms')
        total += float(number) * SECONDS[unit]
        rest = rest[len(unit) :]
    if not text.strip("+-"):
        raise ValueError(f'invalid duration "{text}": write it as 30s, 1m30s or 500ms')
    return sign * round(total)


def read_uint16(text: str) -> int:
    """0 to 65535."""
    number = read_number(text)
    if not 0 <= number < 1 << 16:
        raise ValueError("it must be between 0 and 65535")
    return number


def read_unsigned(text: str) -> int:
    """A whole number, not negative."""
    number = read_number(text)
    if number < 0:
        raise ValueError("it must not be negative")
    return number


def read_pair(text: str) -> str:
    """KEY=VALUE or KEY, with a key."""
    if not text.partition("=")[0].strip():
        raise ValueError(f"invalid label '{text}': empty name")
    return text


def read_environment(text: str) -> str:
    """NAME=VALUE, or NAME to pass ours on."""
    import os

    name, equals, _ = text.partition("=")
    if not name:
        raise ValueError(f"invalid environment variable: {text}")
    if equals or name not in os.environ:
        return text
    return f"{text}={os.environ[name]}"


BYTES = Kind("bytes", read_bytes)
SWAP_BYTES = Kind("bytes", read_swap)
CPUS = Kind("decimal", read_cpus)
DURATION = Kind("duration", read_duration)
UINT16 = Kind("uint16", read_uint16)
UNSIGNED = Kind("uint", read_unsigned)
LABELS = Kind("list", read_pair, repeats=True)
ENVIRONMENT = Kind("list", read_environment, repeats=True)
MAP = Kind("map", str, repeats=True)


def as_map(pairs: list[str]) -> dict[str, str]:
    """KEY=VALUE texts as a dict; KEY alone has the value ""."""
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
