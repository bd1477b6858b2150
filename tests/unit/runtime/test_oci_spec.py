"""Is what another OCI runtime is told free of what only our own understands?"""

from typing import Any

import pytest

from sampan.runtime import oci_spec
from sampan.runtime.status import StartFailed


def spec(**annotations: str) -> dict[str, Any]:
    """A small spec with annotations of ours."""
    ours = {f"sampan.{name.replace('_', '-')}": value for name, value in annotations.items()}
    return {
        "ociVersion": "1.2.0",
        "process": {"args": ["sh"], "capabilities": {"bounding": ["CAP_SYS_ADMIN"]}},
        "mounts": [],
        "linux": {"cgroupsPath": "/a"},
        "annotations": {"theirs": "stays", **ours},
    }


def test_our_own_runtime_needs_no_order() -> None:
    assert oci_spec.order(spec(seccomp="default")) is None


def test_the_command_is_split_and_found() -> None:
    order = oci_spec.order(spec(runtime="sh --debug 'two words'"))
    assert order is not None
    assert order["words"][0].endswith("/sh")
    assert order["words"][1:] == ["--debug", "two words"]


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(StartFailed, match=r'exec: "/nonexistent": executable file not found in \$PATH') as caught:
        oci_spec.order(spec(runtime="/nonexistent"))
    assert caught.value.exit_code == 127


def test_annotations_become_what_they_stand_for() -> None:
    given = spec(seccomp="default", runtime="sh", workdir_create="true")
    told = oci_spec.foreign(given)
    assert told["annotations"] == {"theirs": "stays"}
    assert told["ociVersion"] == "1.0.2"
    rules = told["linux"]["seccomp"]["syscalls"]
    allowed = {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    assert {"read", "mount"} <= allowed, "the capability decides, too"
    assert "seccomp" not in given["linux"], "what was given is not changed"


def test_without_a_profile_there_is_none() -> None:
    assert "seccomp" not in oci_spec.foreign(spec())["linux"]
