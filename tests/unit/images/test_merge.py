"""What a request says, completed by the container; expected values are dockerd's."""

from typing import Any

import pytest

from sampan.images.changes import apply_changes
from sampan.images.merge import merge

CONTAINER = {
    "User": "3",
    "ExposedPorts": {"80/tcp": {}},
    "Env": ["Q=1"],
    "Entrypoint": ["echo"],
    "Cmd": ["hi"],
    "Volumes": {"/vv": {}},
    "WorkingDir": "/tmp",
    "Labels": {"a": "b"},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            ["ENV Q=2 R=3", "EXPOSE 9", "VOLUME /w"],
            {"ExposedPorts": {"80/tcp": {}, "9/tcp": {}}, "Env": ["Q=2", "R=3"], "Volumes": {"/vv": {}, "/w": {}}},
        ),
        (["CMD foo"], {"Cmd": ["/bin/sh", "-c", "foo"]}),
        (["ENTRYPOINT foo"], {"Entrypoint": ["/bin/sh", "-c", "foo"], "Cmd": None}),
        (
            ["USER 5", "WORKDIR sub", "LABEL c=d"],
            {"User": "5", "WorkingDir": "/tmp/sub", "Labels": {"a": "b", "c": "d"}},
        ),
    ],
)
def test_instructions_on_the_containers_own_settings(changes: list[str], expected: dict[str, Any]) -> None:
    merged = merge(apply_changes(CONTAINER, changes), CONTAINER)
    assert {name: value for name, value in merged.items() if value or name in expected} == CONTAINER | expected


def test_a_body_that_says_little_is_completed() -> None:
    merged = merge({"Env": ["ZZ=1"], "Cmd": ["x"]}, CONTAINER)
    assert {name: value for name, value in merged.items() if value} == CONTAINER | {
        "Env": ["ZZ=1", "Q=1"],
        "Cmd": ["x"],
    }
    assert merge({"Entrypoint": []}, CONTAINER)["Entrypoint"] == [], "an empty list says that there shall be none"
    assert merge({"Entrypoint": ["/x"]}, CONTAINER).get("Cmd") is None, "the command was meant for the old entrypoint"


def test_a_health_check_keeps_what_is_not_said_anew() -> None:
    container = {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 5, "Retries": 3}}
    assert merge({"Healthcheck": {"Retries": 1}}, container)["Healthcheck"] == {
        "Test": ["CMD", "true"], "Interval": 5, "Retries": 1,
    }  # fmt: skip
