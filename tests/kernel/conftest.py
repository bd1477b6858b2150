"""How do tests of the kernel run what is asynchronous, and what do containers in them run on?"""

import asyncio
import inspect
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.neighbourhood import Neighbourhood
from kernel.shim_rig import Rig

TEST_SECONDS = 60


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """An `async def` test runs in a loop of its own; its rig is cleared away inside that loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    rig = arguments.get("rig")

    async def whole() -> None:
        try:
            await asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS)
        finally:
            if isinstance(rig, Rig):
                await rig.end()

    asyncio.run(whole())
    return True


@pytest.fixture(scope="session")
def tree(image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of the tests, unpacked."""
    root = tmp_path_factory.mktemp("tree")
    with tarfile.open(image_tar) as tar:
        tar.extractall(root)  # our own, made a moment ago
    return root


@pytest.fixture(scope="module")
def networked(image_tar: Path) -> Iterator[Neighbourhood]:
    """An engine with bridge networks, for the tests of one module, and a neighbour; nothing may be left."""
    made = Neighbourhood(image_tar)
    try:
        yield made
        assert not made.leaks(), "left behind"
    finally:
        made.close()


@pytest.fixture
def rig(tree: Path, tmp_path: Path) -> Iterator[Rig]:
    """The runtime without an engine around it; nothing of it may be left when the test is over."""
    made = Rig(tree, tmp_path)
    yield made
    assert not made.leaks(), "left behind"
