"""Do hundreds of containers on one bridge, with a thousand published ports, all work?"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from expect import IMAGE
from kernel.neighbourhood import HOST, Neighbourhood, Server

pytestmark = [pytest.mark.needs_root, pytest.mark.soak, pytest.mark.timeout(900)]
CONTAINERS = 500
FIRST = 20000


@pytest.fixture
def crowd(image_tar: Path) -> Iterator[Neighbourhood]:
    """An engine of its own."""
    made = Neighbourhood(image_tar)
    try:
        yield made
        assert not made.leaks(), "left behind"
    finally:
        made.close()


def test_five_hundred_containers_and_a_thousand_ports(crowd: Neighbourhood) -> None:
    crowd.docker("network", "create", "--subnet", "10.60.0.0/22", "crowd")

    def run(number: int) -> None:
        port = FIRST + 2 * number
        crowd.docker("run", "-d", "--name", f"c{number}", "--network", "crowd", "-p", f"{port}:80",
                     "-p", f"{port + 1}:81", IMAGE, "sleep", "10000", timeout=120)  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(CONTAINERS)))
    assert len(crowd.elements("any4")) == 2 * CONTAINERS
    assert len(set(crowd.elements("speakers4"))) == CONTAINERS
    for number in (0, CONTAINERS // 2, CONTAINERS - 1):
        place = crowd.namespace(f"c{number}")
        crowd.servers.append(Server(place, f"c{number}", 81))
        heard = crowd.ask(crowd.neighbour, HOST, FIRST + 2 * number + 1)
        assert heard.startswith(f"hello from c{number} ")
    begin = time.monotonic()
    assert len(crowd.docker("ps", "-q").split()) == CONTAINERS
    crowd.docker("run", "--rm", "--network", "crowd", "-p", "19999:80", IMAGE, "true")
    assert time.monotonic() - begin < 5
    crowd.engine.kill()
    crowd.engine.start()
    assert len(crowd.elements("any4")) == 2 * CONTAINERS
    assert crowd.ask(crowd.neighbour, HOST, FIRST + 1).startswith("hello from c0 ")
    names = [f"c{number}" for number in range(CONTAINERS)]
    while crowd.servers:
        crowd.servers.pop().close()
    for start in range(0, CONTAINERS, 100):
        crowd.docker("rm", "-f", *names[start : start + 100], timeout=200)
    assert not crowd.elements("any4")
