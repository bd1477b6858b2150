"""What clients are shown, version by version. The expected values are dockerd 20.10's and 28's."""

import json
from typing import Any

import pytest

from sampan.images.image import Image
from sampan.images.inspect import Version, inspect, summary
from sampan.oci.config import parse_config
from sampan.oci.reference import parse_reference
from unit.images.crafted import config

DIFF_ID = "sha256:" + "0a" * 32
UNSET_CONTAINER_CONFIG = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
RUN = {
    "User": "u:g",
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    "Env": ["A=b"],
    "Cmd": ["/bin/sh", "-c", "x"],
    "Healthcheck": {"Test": ["CMD-SHELL", "true x"], "Interval": 5000000000, "Retries": 2},
    "Volumes": {"/b": {}, "/a": {}},
    "WorkingDir": "/y",
    "OnBuild": ["RUN true"],
    "Labels": {"l": "1", "k w": "v v"},
}


def image(*names: str, **members: Any) -> Image:
    """An image with one layer of seven bytes."""
    document = config([], rootfs={"type": "layers", "diff_ids": [DIFF_ID]}, **members)
    parsed = parse_config(document)
    return Image(parsed.digest, parsed, ((DIFF_ID, 7),), tuple(parse_reference(name) for name in names), tagged_ns=5)


def test_an_image_as_docker_20_10_shows_it() -> None:
    shown = image("app:1", comment="hello <w>", created="2026-11-23T23:42:27.108050979Z", config=RUN)
    assert inspect(shown, version=(1, 41)) == {
        "Id": shown.id,
        "RepoTags": ["app:1"],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "hello <w>",
        "Created": "2026-11-23T23:42:27.108050979Z",
        "Container": "",
        "ContainerConfig": UNSET_CONTAINER_CONFIG,
        "DockerVersion": "",
        "Author": "",
        "Config": UNSET_CONTAINER_CONFIG | RUN,
        "Architecture": "amd64",
        "Os": "linux",
        "Size": 7,
        "VirtualSize": 7,
        "GraphDriver": {"Data": None, "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": [DIFF_ID]},
        "Metadata": {"LastTagTime": "1970-01-01T00:00:00.000000005Z"},
    }


def test_members_stand_in_dockers_order_and_maps_are_sorted() -> None:
    shown = inspect(image("app:1", config=RUN), version=(1, 41))
    assert list(shown["Config"])[:8] == [
        "Hostname",
        "Domainname",
        "User",
        "AttachStdin",
        "AttachStdout",
        "AttachStderr",
        "ExposedPorts",
        "Tty",
    ]
    assert list(shown["Config"]["ExposedPorts"]) == ["53/udp", "80/tcp"]
    assert list(shown["Config"]["Volumes"]) == ["/a", "/b"]
    assert list(shown["Config"]["Labels"]) == ["k w", "l"]
    assert list(shown["Config"]["Healthcheck"]) == ["Test", "Interval", "Retries"]


@pytest.mark.parametrize(
    ("version", "gone"),
    [
        ((1, 43), set()),
        ((1, 44), {"VirtualSize"}),
        ((1, 45), {"VirtualSize", "Container", "ContainerConfig"}),
        ((1, 51), {"VirtualSize", "Container", "ContainerConfig"}),
    ],
)
def test_members_that_a_version_dropped_are_gone(version: Version, gone: set[str]) -> None:
    oldest = set(inspect(image("app:1"), version=(1, 41)))
    assert oldest - set(inspect(image("app:1"), version=version)) == gone


def test_the_newest_config_says_what_an_image_can_say() -> None:
    assert inspect(image(config=RUN | {"Hostname": "x", "Unknown": 1}), version=(1, 51))["Config"] == RUN | {
        "Entrypoint": None
    }
    assert inspect(image(), version=(1, 51))["Config"] == {
        "Cmd": None,
        "Entrypoint": None,
        "Env": None,
        "Labels": None,
        "OnBuild": None,
        "User": "",
        "Volumes": None,
        "WorkingDir": "",
    }
    assert inspect(image(), version=(1, 52))["Config"] == {}


def test_what_was_never_said() -> None:
    shown = image(created=None)
    assert inspect(shown, version=(1, 43))["Created"] == "0001-01-01T00:00:00Z"
    assert "Created" not in inspect(shown, version=(1, 44))
    bare = Image(shown.id, shown.config, (), ())
    assert inspect(bare)["RootFS"] == {"Type": "layers"}
    assert inspect(bare)["Metadata"] == {"LastTagTime": "0001-01-01T00:00:00Z"}


def test_a_summary_as_docker_20_10_shows_it() -> None:
    shown = image("app:1", created="2026-11-23T23:42:27.108050979Z", config={"Labels": {"l": "1"}})
    assert summary(shown, version=(1, 41)) == {
        "Containers": -1,
        "Created": 1795477347,
        "Id": shown.id,
        "Labels": {"l": "1"},
        "ParentId": "",
        "RepoDigests": None,
        "RepoTags": ["app:1"],
        "SharedSize": -1,
        "Size": 7,
        "VirtualSize": 7,
    }


def test_an_unnamed_image_is_none_none_until_1_43() -> None:
    old, new = summary(image(), version=(1, 42)), summary(image(), version=(1, 43))
    assert (old["RepoTags"], old["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    assert (new["RepoTags"], new["RepoDigests"]) == ([], [])


def test_everything_can_be_written_as_json() -> None:
    for minor in range(24, 53):
        json.dumps([inspect(image("a"), version=(1, minor)), summary(image("a"), version=(1, minor))])
