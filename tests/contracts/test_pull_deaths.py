"""What if a pull is killed at a system call that changes the disk? Nothing half is listed, the next pull succeeds."""

import asyncio
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lying_registry import LyingRegistry, Puller, layer, lying_registry
from sampan.registry.credentials import ANONYMOUS

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to kill at a system call")
TESTS = Path(__file__).resolve().parents[1]
CHANGES = ("rename", "renameat", "fsync", "unlink", "mkdirat", "ftruncate", "pwrite64", "flock")
PULL = """
import asyncio, sys
from pathlib import Path
from lying_registry import Puller
from sampan.registry.credentials import ANONYMOUS

async def main():
    puller = Puller(Path(sys.argv[1]))
    puller.store.sweep()
    await puller.distribution.pull(f"{sys.argv[2]}/app", "1", ANONYMOUS, lambda message: None)
    await puller.distribution.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def registry() -> Iterator[LyingRegistry]:
    """A registry in a thread, with an image of two layers."""
    ready, end = threading.Event(), asyncio.Event()
    found: list[LyingRegistry] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        async with lying_registry() as one:
            one.add_image("app", "1", [layer(200_000), layer(50_000, seed=1)])
            found.append(one)
            loops.append(asyncio.get_running_loop())
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loops[0].call_soon_threadsafe(end.set)
    thread.join(10)


def killed(root: Path, host: str, call: str, count: int) -> bool:
    """Pull in a process that is killed at the `count`th such call of one of its threads; whether it was."""
    root.mkdir(exist_ok=True)
    inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    inject += ["-e", f"inject={call}:signal=SIGKILL:when={count}"]
    command = [*inject, sys.executable, "-c", PULL, str(root), host]
    done = subprocess.run(
        command, env={"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}", "PATH": "/usr/bin:/bin"},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -9, 137), done.stderr.decode()[-2000:]
    return done.returncode != 0


def check(root: Path, registry: LyingRegistry) -> None:
    """What is listed is whole, what is not listed is gone but for what can be gone on with, and a pull succeeds."""
    puller = Puller(root)
    puller.store.sweep()
    images = puller.store.all()
    assert len(images) <= 1
    if not images:
        assert [each for each in puller.kept() if "partial" not in each] == []

    async def again() -> None:
        await puller.distribution.pull(f"{registry.host}/app", "1", ANONYMOUS, puller.told.append)
        await puller.distribution.close()

    asyncio.run(again())
    [image] = puller.store.all()
    assert all(puller.store.layers.verify(each) for each in image.diff_ids)  # type: ignore[attr-defined]
    assert all(puller.store.content.verify(each) for each in puller.store.content.digests())
    puller.database.close()
    assert not list((root / "content" / "partial").iterdir())
    assert not list((root / "content" / "ingest").iterdir())


@pytest.mark.parametrize(("call", "count"), [("rename", 1), ("renameat", 1), ("fsync", 2), ("pwrite64", 3)])
def test_killed_at_a_system_call(tmp_path: Path, registry: LyingRegistry, call: str, count: int) -> None:
    """C22, C24: a few of them; the next test takes all."""
    assert killed(tmp_path / "root", registry.host, call, count)
    check(tmp_path / "root", registry)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("call", CHANGES)
def test_killed_at_every_system_call(tmp_path: Path, registry: LyingRegistry, call: str) -> None:
    """C22, C24."""
    for count in range(1, 200):
        root = tmp_path / str(count)
        if not killed(root, registry.host, call, count):
            assert count > 1, f"a pull does not {call}"
            return
        check(root, registry)
        shutil.rmtree(root)
    raise AssertionError("it never ends")
