"""Can the live view be read on any terminal?"""

import io

import pytest
from rich.console import Console

from sampan.cli.watch.model import Model
from sampan.cli.watch.view import table


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("status", ["Up 2 hours", "Up Less than a second", "Exited (137) 2 hours ago"])
def test_names_and_use_are_read_on_eighty_columns(width: int, status: str) -> None:
    model = Model()
    row = {"Id": "a" * 9, "Names": ["/database-one"], "Image": "i", "State": "running", "Status": status}
    model.feed([row], {}, 1.0)
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(table(model, 4))
    head, line, *_ = captured.get().splitlines()
    assert [word for word in ("NAME", "CPU %", "MEMORY", "STATUS") if word not in head] == []
    assert line.startswith("database-one ")
    assert len(head.rstrip()) <= width
