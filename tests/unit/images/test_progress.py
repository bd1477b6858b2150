"""Progress as dockerd words it; the expected texts are its own."""

import pytest

from sampan.images.progress import Meter, bar, human_size, moving, status

LAYER = "sha256:807e5602cc9f" + "0" * 52


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (34304, "34.3kB"), (1982418, "1.982MB"), (6293522, "6.294MB"), (65536, "65.54kB")],
)
def test_sizes(size: int, text: str) -> None:
    assert human_size(size) == text


def test_messages_are_dockerds() -> None:
    assert status("Pull complete", LAYER) == {"status": "Pull complete", "progressDetail": {}, "id": "807e5602cc9f"}
    assert moving("Downloading", LAYER, 69213, 6293522) == {
        "status": "Downloading",
        "progressDetail": {"current": 69213, "total": 6293522},
        "progress": "[>                                                  ]  69.21kB/6.294MB",
        "id": "807e5602cc9f",
    }
    assert bar(6293522, 6293522) == "[==================================================>]  6.294MB/6.294MB"
    assert bar(2129920, 1982418) == "2.13MB"


def test_a_meter_does_not_chatter() -> None:
    told: list[object] = []
    meter = Meter(told.append, "Downloading", LAYER, 1000)
    for current in range(1000):
        meter.at(current)
    assert 1 <= len(told) < 100
