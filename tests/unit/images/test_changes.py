"""`--change` instructions: results and sentences were taken from dockerd."""

from typing import Any

import pytest

from sampan.errors import InvalidRequest
from sampan.images.changes import apply_changes


@pytest.mark.parametrize(
    ("changes", "config"),
    [
        (['CMD echo "$X" hi'], {"Cmd": ["/bin/sh", "-c", 'echo "$X" hi']}),
        (['CMD ["a","b"]'], {"Cmd": ["a", "b"]}),
        (['CMD ["a" b]'], {"Cmd": ["/bin/sh", "-c", '["a" b]']}),
        (["cmd x"], {"Cmd": ["/bin/sh", "-c", "x"]}),
        (["CMD []"], {"Cmd": []}),
        (['ENTRYPOINT ["x"]', "CMD y z"], {"Entrypoint": ["x"], "Cmd": ["/bin/sh", "-c", "y z"]}),
        (["CMD y", "ENTRYPOINT x"], {"Cmd": ["/bin/sh", "-c", "y"], "Entrypoint": ["/bin/sh", "-c", "x"]}),
        (
            ['ENV A=b C="d e" F=$A\\ x', 'ENV Z some thing  "here"'],
            {"Env": ["A=b", "C=d e", "F= x", "Z=some thing  here"]},
        ),
        (["ENV A=b", "ENV B=$A A=c"], {"Env": ["A=c", "B=b"]}),
        (["ENV X a b"], {"Env": ["X=a b"]}),
        (["ENV A=b \\\n  C=d"], {"Env": ["A=b", "C=d"]}),
        (["# nothing\nUSER x"], {"User": "x"}),
        (["USER u:g"], {"User": "u:g"}),
        (["WORKDIR x", "WORKDIR ../y"], {"WorkingDir": "/y"}),
        (["WORKDIR //a//b/"], {"WorkingDir": "/a/b"}),
        (["EXPOSE 80 53/udp 8000-8002"], {"ExposedPorts": ["53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]}),
        (["EXPOSE 80:90"], {"ExposedPorts": ["90/tcp"]}),
        (["EXPOSE 127.0.0.1:80:90"], {"ExposedPorts": ["90/tcp"]}),
        (['LABEL l=1 "k w"="v v"'], {"Labels": {"l": "1", "k w": "v v"}}),
        (["LABEL a b c"], {"Labels": {"a": "b c"}}),
        (["ONBUILD ENV a=$A"], {"OnBuild": ["ENV a=$A"]}),
        (["STOPSIGNAL SIGINT"], {"StopSignal": "SIGINT"}),
        (["VOLUME /a /b"], {"Volumes": ["/a", "/b"]}),
        (['VOLUME ["/q w"]'], {"Volumes": ["/q w"]}),
        (["HEALTHCHECK NONE"], {"Healthcheck": {"Test": ["NONE"]}}),
        (['HEALTHCHECK CMD ["a","b"]'], {"Healthcheck": {"Test": ["CMD", "a", "b"]}}),
        (
            ["HEALTHCHECK --interval=5s --retries=2 CMD true x"],
            {"Healthcheck": {"Test": ["CMD-SHELL", "true x"], "Interval": 5 * 10**9, "Retries": 2}},
        ),
    ],
)
def test_what_an_instruction_does(changes: list[str], config: dict[str, Any]) -> None:
    sets = {name: list(value) if name in ("ExposedPorts", "Volumes") else value for name, value in config.items()}
    changed = apply_changes({}, changes)
    shown = {name: list(value) if name in ("ExposedPorts", "Volumes") else value for name, value in changed.items()}
    assert {name: value for name, value in shown.items() if value is not None} == sets


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("FROM x", "from is not a valid change command"),
        ("RUN x", "run is not a valid change command"),
        ('SHELL ["x"]', "shell is not a valid change command"),
        ("", "file with no instructions"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV A", "ENV must have two arguments"),
        ("ENV A=b C", 'Syntax error - can\'t find = in "C". Must be of the form: name=value'),
        ("ENV =b", "ENV names can not be blank"),
        ('ENV A="x', 'failed to process "\\"x": unexpected end of statement while looking for matching double-quote'),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("EXPOSE a", "Invalid containerPort: a"),
        ("EXPOSE 70000", "Invalid containerPort: 70000"),
        ("EXPOSE 10-5", "Invalid containerPort: 10-5"),
        ("EXPOSE $P/udp", "No port specified: /udp<empty>"),
        ("EXPOSE 80/xxx", "Invalid proto: xxx"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK FOO", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK --foo=1 CMD x", "Unknown flag: foo"),
        ("HEALTHCHECK --interval=1ns CMD x", 'Interval "interval" cannot be less than 1ms'),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("USER", "USER requires exactly one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ('VOLUME [""]', "VOLUME specified can not be an empty string"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("WORKDIR ${A}", "cannot normalize nothing"),
        ("LABEL", "LABEL requires at least one argument"),
        ("LABEL a", "LABEL must have two arguments"),
    ],
)
def test_what_makes_no_sense_is_refused_in_dockers_words(change: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        apply_changes({}, [change])
    assert str(caught.value) == sentence


def test_a_new_entrypoint_takes_the_images_command_away() -> None:
    assert apply_changes({"Cmd": ["old"]}, ["ENTRYPOINT x"])["Cmd"] is None
    assert apply_changes({"Cmd": ["old"]}, ["CMD y", "ENTRYPOINT x"])["Cmd"] == ["/bin/sh", "-c", "y"]


def test_the_given_config_stays_as_it_was() -> None:
    given = {"Env": ["A=b"], "Labels": {"x": "1"}}
    apply_changes(given, ["ENV A=c", "LABEL x=2"])
    assert given == {"Env": ["A=b"], "Labels": {"x": "1"}}


def test_the_images_shell_runs_commands() -> None:
    assert apply_changes({"Shell": ["/bin/bash", "-c"]}, ["CMD x"])["Cmd"] == ["/bin/bash", "-c", "x"]
