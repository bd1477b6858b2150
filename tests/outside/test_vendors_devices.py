"""Do containers get what the files of the Container Device Interface say?"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import prepare
from engine import Engine
from expect import IMAGE, ONCE, OUTSIDE

SPECIFICATION = {
    "cdiVersion": "0.6.0",
    "kind": "example.com/toy",
    "devices": [
        {
            "name": "zero",
            "containerEdits": {
                "env": ["TOY=zero"],
                "deviceNodes": [{"path": "/dev/toy", "hostPath": "/dev/zero", "permissions": "rw"}],
                "mounts": [{"hostPath": "/proc/version", "containerPath": "/toy", "options": ["ro", "bind"]}],
            },
        },
        {"name": "lost", "containerEdits": {"deviceNodes": [{"path": "/dev/there-is-none"}]}},
    ],
    "containerEdits": {"env": ["EVERY=toy"]},
}
GPUS = """
cdiVersion: 0.6.0
kind: nvidia.com/gpu
devices:
- {name: "0", containerEdits: {env: [GPU0=yes]}}
- {name: "1", containerEdits: {env: [GPU1=yes]}}
- {name: all, containerEdits: {env: [GPUS=all]}}
"""


@pytest.fixture(scope="module")
def vendors(image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if OUTSIDE:
        pytest.skip("only an engine that the test started reads the test's files")
    directory = tmp_path_factory.mktemp("cdi")
    (directory / "toy.json").write_text(json.dumps(SPECIFICATION))
    (directory / "gpu.yaml").write_text(GPUS)
    (directory / "broken.json").write_text('{"kind": "no kind"}')
    engine = Engine("--cdi-spec-dir", str(directory))
    try:
        engine.start()
        prepare(engine, image_tar)
        yield engine
    finally:
        found = engine.close()
    assert not found


def test_a_device_by_its_vendors_name(vendors: Engine) -> None:
    script = "echo $TOY $EVERY; ls -l /dev/toy; head -c 3 /dev/toy | wc -c; cat /toy; echo no > /toy"
    for client in (vendors.docker, vendors.sampan):
        seen = client(*ONCE, "--device", "example.com/toy=zero", IMAGE, "sh", "-c", script)
        lines = seen.stdout.splitlines()
        assert lines[0] == "zero toy", seen
        assert "1,   5" in lines[1] and lines[2] == "3" and lines[3].startswith("Linux version")
        assert "Read-only" in seen.stderr
    for asked, sentence in (
        ("example.com/toy=nope", "CDI device injection failed: unresolvable CDI devices example.com/toy=nope"),
        ("example.com/toy=lost", "stat /dev/there-is-none: no such file or directory"),
    ):
        refused = vendors.docker(*ONCE, "--device", asked, IMAGE, "true")
        assert refused.code in (125, 127)  # docker's client takes "no such file" to be about the program
        assert sentence in refused.stderr
    known = json.loads(vendors.docker("info", "--format", "{{json .DiscoveredDevices}}").stdout or "null")
    body = vendors.sampan("info", "--format", "{{json .DiscoveredDevices}}").stdout
    assert {"Source": "cdi", "ID": "example.com/toy=zero"} in (known or json.loads(body))


def test_gpus_are_those_of_the_vendor_that_is_there(vendors: Engine) -> None:
    show = ("sh", "-c", "echo $GPUS-$GPU0-$GPU1")
    for asked, expected in (("all", "all--"), ("1", "-yes-"), ("device=1", "--yes"), ("2", "-yes-yes")):
        seen = vendors.docker(*ONCE, "--gpus", asked, IMAGE, *show)
        assert seen.stdout.strip() == expected, (asked, seen)
    assert "3 GPUs were asked for, and there are 2" in vendors.docker(*ONCE, "--gpus", "3", IMAGE, *show).stderr
    refused = vendors.docker(*ONCE, "--gpus", "driver=other", IMAGE, *show)
    assert 'could not select device driver "other" with capabilities: [[gpu]]' in refused.stderr
