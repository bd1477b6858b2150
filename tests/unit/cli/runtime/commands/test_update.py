"""How are sizes read?"""

import pytest

from sampan.cli.runtime.commands.update import read_bytes


def test_sizes_are_dockers() -> None:
    sizes = {"-1": -1, "0": 0, "100": 100, "1k": 1024, "1.5G": 3 << 29, "2MiB": 2 << 20, "3 mb": 3 << 20}
    assert {text: read_bytes(text) for text in sizes} == sizes


@pytest.mark.parametrize("text", ["", "k", "-2", "1x", "1..5m", "1e3"])
def test_nothing_else_is_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        read_bytes(text)
