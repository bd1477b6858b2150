"""Is a container's bandwidth limited as asked, both ways, and does it go with the container?"""

import socket
import threading
import time

import pytest

from expect import IMAGE
from kernel.neighbourhood import Neighbourhood, do

pytestmark = pytest.mark.needs_root
RATE = 4 << 20
AMOUNT = 6 << 20


@pytest.fixture(autouse=True)
def _clean(networked: Neighbourhood) -> object:
    yield
    networked.clear()


def seconds(sender: int, receiver: int, address: str) -> float:
    """How long AMOUNT bytes take from one namespace to a server in another."""
    listening = do(receiver, lambda: socket.create_server((address, 0)))
    with listening:
        port = listening.getsockname()[1]

        def send() -> None:
            with socket.create_connection((address, port), timeout=20) as connection:
                connection.sendall(bytes(AMOUNT))

        begin = time.monotonic()
        sending = threading.Thread(target=do, args=(sender, send))
        sending.start()
        connection, _ = listening.accept()
        with connection:
            received = 0
            while data := connection.recv(1 << 16):
                received += len(data)
        sending.join()
        assert received == AMOUNT
        return time.monotonic() - begin


def test_both_directions_are_limited_and_nothing_is_left(networked: Neighbourhood) -> None:
    before = set(networked.interfaces())
    prefix = "driver-opt=com.sampan.network"
    networked.docker("run", "-d", "--name", "slow", "--network",
                     f"name=bridge,{prefix}.rate.in=4m,{prefix}.rate.out=4m,{prefix}.burst.in=64k", IMAGE,
                     "sleep", "1000")  # fmt: skip
    slow = networked.namespace("slow")
    address = networked.address("slow")
    for sender, receiver, to in ((networked.host, slow, address), (slow, networked.host, "172.17.0.1")):
        taken = seconds(sender, receiver, to)
        # The burst is free; a busy machine only ever makes it slower.
        assert taken > 0.7 * AMOUNT / RATE, "faster than allowed"
        assert taken < 4 * AMOUNT / RATE, "so slow that the limit is not what limits"
    shown = networked.docker("inspect", "-f", "{{json .NetworkSettings.Networks.bridge.DriverOpts}}", "slow")
    assert '"com.sampan.network.rate.in":"4m"' in shown
    networked.docker("network", "create", "other")
    networked.docker("network", "connect", "--driver-opt", "com.sampan.network.rate.out=1m", "other", "slow")
    assert len([name for name in networked.interfaces() if name.startswith("spi")]) == 2
    networked.docker("network", "disconnect", "other", "slow")
    assert len([name for name in networked.interfaces() if name.startswith("spi")]) == 1
    slow.close()
    networked.docker("rm", "-f", "slow")
    networked.docker("network", "rm", "other")
    assert networked.settled(before | {"sampan0"})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("com.sampan.network.rate.in=fast", "invalid com.sampan.network.rate.in: 'fast'"),
        ("com.sampan.network.rate.in=0", "invalid com.sampan.network.rate.in"),
        ("com.sampan.network.burst.in=1m", "has no meaning without com.sampan.network.rate.in"),
    ],
)
def test_a_limit_that_is_none_is_refused(networked: Neighbourhood, options: str, sentence: str) -> None:
    said = networked.docker("create", "--network", f"name=bridge,driver-opt={options}", IMAGE, "true", code=1)
    assert sentence in said
