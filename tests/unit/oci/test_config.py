"""Image configs: read with care, kept to the byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.oci.config import Healthcheck, History, parse_config
from sampan.oci.digest import digest_of

DIFF_ID = "sha256:" + "0a" * 32
MINIMAL: dict[str, Any] = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}}


def config(**members: object) -> bytes:
    """A minimal config with further members."""
    return json.dumps(MINIMAL | members).encode()


def test_every_member_that_docker_knows_is_read() -> None:
    image = parse_config(
        config(
            created="2026-01-02T03:04:05.000000006Z",
            author="me",
            comment="c",
            docker_version="28.2",
            variant="v2",
            config={
                "User": "u:g",
                "ExposedPorts": {"80/tcp": {}},
                "Env": ["A=b"],
                "Entrypoint": ["/e"],
                "Cmd": ["c"],
                "Volumes": {"/v": {}},
                "WorkingDir": "/w",
                "Labels": {"l": "1"},
                "StopSignal": "SIGINT",
                "StopTimeout": 3,
                "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5, "Timeout": 4, "StartPeriod": 3, "Retries": 2},
                "OnBuild": ["RUN x"],
                "Shell": ["/bin/bash", "-c"],
                "ArgsEscaped": True,
            },
            history=[{"created": "2026-01-02T03:04:05Z", "created_by": "x", "empty_layer": True}, {"author": "me"}],
        )
    )
    run = image.run
    assert (run.user, run.exposed_ports, run.env, run.entrypoint, run.cmd) == (
        "u:g",
        ("80/tcp",),
        ("A=b",),
        ("/e",),
        ("c",),
    )
    assert (run.volumes, run.working_dir, run.labels, run.stop_signal) == (("/v",), "/w", {"l": "1"}, "SIGINT")
    assert run.stop_timeout_seconds == 3
    assert run.healthcheck == Healthcheck(("CMD", "x"), 5, 4, 3, 0, 2)
    assert (run.on_build, run.shell, run.args_escaped) == (("RUN x",), ("/bin/bash", "-c"), True)
    assert (image.created, image.author, image.comment) == ("2026-01-02T03:04:05.000000006Z", "me", "c")
    assert (image.docker_version, str(image.platform)) == ("28.2", "linux/amd64/v2")
    assert image.diff_ids == (DIFF_ID,)
    assert image.history == (History("2026-01-02T03:04:05Z", "x", "", "", True), History(author="me"))


def test_null_is_absent_but_an_empty_list_is_said() -> None:
    said = parse_config(config(config={"Cmd": [], "Env": None, "Entrypoint": None})).run
    assert said.cmd == ()
    assert said.env is None and said.entrypoint is None
    assert parse_config(config(config=None)).run == parse_config(config()).run


def test_a_single_string_is_a_command_of_one_word() -> None:
    assert parse_config(config(config={"Cmd": "x", "Entrypoint": "y"})).run.cmd == ("x",)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"{}", "invalid image JSON, no RootFS key"),
        (b"[]", "must be an object"),
        (config(rootfs={"type": "tar", "diff_ids": []}), 'rootfs.type must be "layers"'),
        (config(rootfs={"diff_ids": ["../../etc/passwd"]}), "rootfs.diff_ids holds no digest"),
        (config(rootfs={"diff_ids": [1]}), "rootfs.diff_ids must be a list of strings"),
        (config(rootfs={"diff_ids": [DIFF_ID] * 501}), "at most 500"),
        (config(os=1), "os must be a string"),
        (config(config={"Env": "A=b"}), "config.Env must be a list of strings"),
        (config(config={"Env": [None]}), "config.Env must be a list of strings"),
        (config(config={"Labels": ["a"]}), "config.Labels must be an object of strings"),
        (config(config={"Volumes": {"/a": 1}}), "config.Volumes must be an object with empty objects"),
        (config(config={"Healthcheck": {"Interval": -1}}), "Interval must be a whole number"),
        (config(config=[]), "config must be an object"),
        (config(history={}), "history must be a list"),
        (config(history=[{"empty_layer": "yes"}]), "empty_layer must be true or false"),
        (b'{"rootfs":{},"rootfs":{}}', "duplicate key"),
    ],
)
def test_a_malformed_config_is_refused_by_the_name_of_the_member(document: bytes, problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_config(document)
    assert problem in str(caught.value)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(texts, st.integers() | texts, max_size=4))
def test_the_bytes_are_kept_whatever_else_they_say(unknown: dict[str, object]) -> None:
    document = json.dumps({f"x-{name}": value for name, value in unknown.items()} | MINIMAL, indent=1).encode()
    image = parse_config(document)
    assert image.data == document
    assert image.digest == digest_of(document)
