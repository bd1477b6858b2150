"""How fast may a container send and receive?

Driver options of an endpoint, which Docker does not have (`docker run --network name=N,driver-opt=…`):

    com.sampan.network.rate.in     bytes a second that the container receives at most: 10m, 512k (1024-based)
    com.sampan.network.rate.out    … that it sends
    com.sampan.network.burst.in, com.sampan.network.burst.out    bytes that may go at once, before the rate counts

Both are kept on the host's end of the cable, where no container can take them away: a token bucket (tc-tbf(8)) for what
goes out to the container, and for what comes in from it one behind an intermediate interface (tc-mirred(8), ifb).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sampan.errors import InvalidRequest
from sampan.linux import netlink, netqueue
from sampan.networks.model import Endpoint

RATE_IN, RATE_OUT = "com.sampan.network.rate.in", "com.sampan.network.rate.out"
BURST_IN, BURST_OUT = "com.sampan.network.burst.in", "com.sampan.network.burst.out"
LEAST_BURST = 16 << 10
MOST = 1 << 40
IFB_PREFIX = "spi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes a second and bytes at once, 0 for no limit; "in" is what the container receives."""

    rate_in: int = 0
    rate_out: int = 0
    burst_in: int = 0
    burst_out: int = 0

    def __bool__(self) -> bool:
        return bool(self.rate_in or self.rate_out)


def read(options: Mapping[str, str]) -> Limits:
    """The limits that driver options ask for. Raises InvalidRequest."""
    values = {name: _bytes(name, options.get(name, "")) for name in (RATE_IN, RATE_OUT, BURST_IN, BURST_OUT)}
    for rate, burst in ((RATE_IN, BURST_IN), (RATE_OUT, BURST_OUT)):
        if values[burst] and not values[rate]:
            raise InvalidRequest(f"{burst} has no meaning without {rate}")
    return Limits(
        rate_in=values[RATE_IN],
        rate_out=values[RATE_OUT],
        burst_in=_burst(values[RATE_IN], values[BURST_IN]),
        burst_out=_burst(values[RATE_OUT], values[BURST_OUT]),
    )


def apply(endpoint: Endpoint) -> None:
    """Make the kernel keep an endpoint's limits; nothing to do for most. Raises OSError."""
    wanted = read(endpoint.driver_options)
    if not wanted:
        return
    if wanted.rate_in:
        netqueue.limit(endpoint.host_interface, rate=wanted.rate_in, burst=wanted.burst_in)
    if wanted.rate_out:
        middle = intermediate(endpoint)
        with netlink.links() as links:
            links.delete(middle)
            links.add_ifb(middle)
        netqueue.limit(middle, rate=wanted.rate_out, burst=wanted.burst_out)
        netqueue.send_through(endpoint.host_interface, middle)


def remove(endpoint: Endpoint) -> None:
    """Remove what `apply` made beside the cable itself; harmless when there is nothing."""
    if read(endpoint.driver_options).rate_out:
        with netlink.links() as links:
            links.delete(intermediate(endpoint))


def intermediate(endpoint: Endpoint) -> str:
    """The interface whose queue slows down what the container sends."""
    return IFB_PREFIX + endpoint.id[:11]


def _burst(rate: int, burst: int) -> int:
    """At least what goes in a hundredth of a second, or one big packet: less would slow the rate down as well."""
    return max(burst, rate // 100, LEAST_BURST) if rate else 0


def _bytes(name: str, text: str) -> int:
    if not text:
        return 0
    match = re.fullmatch(r"([0-9]{1,13})([kmg]?)b?", text.lower())
    size = int(match[1]) * 1024 ** " kmg".index(match[2] or " ") if match else 0
    if not 0 < size <= MOST:
        raise InvalidRequest(f"invalid {name}: {text!r}: bytes, such as 10m, are expected")
    return size
