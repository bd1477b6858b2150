"""Does the live view count, sort and select right, whatever comes and goes?"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.watch.model import Model, window


def listed(name: str, state: str = "running") -> dict[str, Any]:
    return {"Id": name * 8, "Names": [f"/{name}"], "Image": "i", "State": state, "Status": "Up"}


def sample(cpu: int, system: int, memory: int, received: int = 0) -> dict[str, Any]:
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": cpu}, "system_cpu_usage": system, "online_cpus": 1},
        "memory_stats": {"usage": memory, "limit": 1000},
        "pids_stats": {"current": 1},
        "blkio_stats": {},
        "networks": {"eth0": {"rx_bytes": received, "tx_bytes": 0}},
    }


def test_shares_and_rates_are_differences() -> None:
    model = Model()
    model.feed([listed("a"), listed("b")], {"a" * 8: sample(0, 100, 9), "b" * 8: sample(0, 100, 50)}, 10.0)
    assert [line.cpu for line in model.lines] == [0.0, 0.0]
    model.feed([listed("a"), listed("b")], {"a" * 8: sample(5, 200, 9, 700), "b" * 8: sample(60, 200, 50)}, 12.0)
    assert [(line.name, line.cpu) for line in model.lines] == [("b", 60.0), ("a", 5.0)]
    assert model.lines[1].rates == (350.0, 0.0, 0.0, 0.0)
    model.next_order()
    assert [line.name for line in model.lines] == ["b", "a"]  # by memory
    model.next_order()
    assert [line.name for line in model.lines] == ["a", "b"]


def test_the_selection_stays_with_its_container() -> None:
    model = Model()
    model.feed([listed("a"), listed("b"), listed("c", "exited")], {}, 1.0)
    model.move(1)
    assert model.selected is not None and model.selected.name == "b"
    model.feed([listed("0"), listed("a"), listed("b")], {}, 2.0)
    assert (model.selected.name, model.place) == ("b", 2)
    model.feed([listed("a")], {}, 3.0)
    assert model.selected is not None and model.selected.name == "a"
    model.feed([], {}, 4.0)
    model.move(1)
    assert (model.selected, model.place) == (None, 0)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 60))
def test_what_is_selected_is_always_shown(count: int, place: int, height: int) -> None:
    shown = window(count, min(place, max(count - 1, 0)), height)
    assert len(shown) == min(count, height)
    assert not count or min(place, count - 1) in shown
    assert all(0 <= index < count for index in shown)
