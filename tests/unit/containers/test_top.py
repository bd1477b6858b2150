"""Does `top` answer as ps(1) would, from /proc alone?"""

import os

import pytest
from tests.unit.containers.conftest import World, request, run

from sampan.errors import Conflict, InvalidRequest


def test_the_default_and_a_format(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        with pytest.raises(Conflict, match="is not running"):
            containers.top("one")
        await containers.start("one")
        found = containers.top("one")
        assert found["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        (row,) = found["Processes"]
        assert row[1:3] == [str(os.getpid()), str(os.getppid())]
        found = containers.top("one", "-o pid,comm=NAME -o rss")
        assert found["Titles"] == ["PID", "NAME", "RSS"]
        assert containers.top("one", "aux")["Titles"][:4] == ["USER", "PID", "%CPU", "%MEM"]
        with pytest.raises(InvalidRequest, match="Couldn't find PID field in ps output"):
            containers.top("one", "-o comm")

    run(story)
