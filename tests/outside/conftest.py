"""Which engine do the tests of networks have? One with all its drivers, in a network namespace that is its host."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import prepare
from engine import Client, Engine
from expect import IMAGE, OUTSIDE
from networked import Networked


@pytest.fixture(scope="session")
def networked_engine(image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networked]:
    """The engine with networks; it must leave nothing behind."""
    if OUTSIDE:
        client = Client(OUTSIDE, tmp_path_factory.mktemp("home"))
        prepare(client, image_tar)
        yield Networked(client, os.environ.get("SAMPAN_TEST_NETNS", "/proc/self/ns/net"))
        client.docker("rmi", "-f", IMAGE)
        return
    own = Engine(bridge="")
    try:
        own.start()
        prepare(own, image_tar)
        yield Networked(own, f"/proc/{own.pid}/ns/net")
    finally:
        found = own.close()
    assert not found, f"the engine left behind: {found}"


@pytest.fixture
def net(networked_engine: Networked) -> Iterator[Networked]:
    """The engine with networks, without what earlier tests made."""
    yield networked_engine
    networked_engine.clear()


@pytest.fixture
def bridged_engine(image_tar: Path) -> Iterator[Engine]:
    """An engine with all its network drivers, for one test; nothing must be left of it."""
    if OUTSIDE:
        pytest.skip("only an engine that the test started may be killed")
    own = Engine(bridge="")
    try:
        own.start()
        prepare(own, image_tar)
        yield own
    finally:
        found = own.close()
    assert not found, f"the engine left behind: {found}"
