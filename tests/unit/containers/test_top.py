"""Does `top` answer as ps(1) would, from /proc alone?"""

import os

import pytest
from tests.unit.containers.conftest import World, request, run

from sampan.containers import top
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

    run(story)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("-o foo", 'ps: error: unknown user-defined format specifier "foo"'),
        ("-o comm", "Couldn't find PID field in ps output"),
        ("-e --forest", "ps: --forest: only -ef, aux and -o FORMAT are supported"),
    ],
)
def test_what_is_not_understood_is_said(arguments: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        top.parse(arguments)
    assert str(caught.value) == sentence
