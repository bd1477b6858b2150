"""Is a cache replaced whole, or not at all?"""

import asyncio
import io
from pathlib import Path

import pytest

from archives import file, tar
from sampan.builder.mount_cache import NEW, OLD, MountCaches, cache_id_of, name_of
from sampan.errors import Conflict

ID = cache_id_of("", "deps")


def replaced(caches: MountCaches, content: bytes) -> None:
    asyncio.run(caches.replace(ID, io.BytesIO(tar([file("f", content)]))))


def test_what_was_there_goes_and_nothing_else_is_left(tmp_path: Path) -> None:
    caches = MountCaches(tmp_path)
    for content in (b"1", b"2"):
        replaced(caches, content)
    assert [path.name for path in tmp_path.iterdir()] == [name_of(ID)]
    assert (tmp_path / name_of(ID) / "f").read_bytes() == b"2"
    assert caches.sizes() == {name_of(ID): 1}


def test_a_cache_that_a_step_uses_stays(tmp_path: Path) -> None:
    caches = MountCaches(tmp_path)
    replaced(caches, b"1")

    async def both() -> None:
        async with caches.use(ID, "shared", mode=0o755, uid=0, gid=0):
            await caches.replace(ID, io.BytesIO(tar([file("f", b"2")])))

    with pytest.raises(Conflict, match="in use"):
        asyncio.run(both())
    assert [(path.name, (path / "f").read_bytes()) for path in tmp_path.iterdir()] == [(name_of(ID), b"1")]


def test_a_daemon_that_died_in_between_lost_nothing(tmp_path: Path) -> None:
    replaced(MountCaches(tmp_path), b"1")
    (tmp_path / name_of(ID)).rename(tmp_path / (OLD + name_of(ID)))
    (tmp_path / (NEW + "x")).mkdir()
    MountCaches(tmp_path)
    assert [(path.name, (path / "f").read_bytes()) for path in tmp_path.iterdir()] == [(name_of(ID), b"1")]
    (tmp_path / (OLD + name_of(ID))).mkdir()
    MountCaches(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name_of(ID)]
