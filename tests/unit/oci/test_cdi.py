"""Is a vendor's file read strictly, and are its edits made where they belong?"""

from dataclasses import replace
from typing import Any

import pytest

from sampan.errors import InvalidRequest
from sampan.oci.cdi import Edits, Node, apply, parse, split

SPEC: dict[str, Any] = {
    "process": {"env": ["A=1", "B=2"]},
    "mounts": [],
    "linux": {"devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 1}], "resources": {"devices": []}},
}


def device(**edits: Any) -> dict[str, Any]:
    return {"kind": "a.com/toy", "devices": [{"name": "x", "containerEdits": edits}]}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "must be an object"),
        ({"kind": "toy"}, "is no vendor.com/class"),
        ({"kind": "a.com/toy", "devices": [{"name": "-"}]}, "is no name of a device"),
        ({"kind": "a.com/toy", "devices": [{"name": "x"}, {"name": "x"}]}, "is there twice"),
        (device(env=["A"]), "is no NAME=VALUE"),
        (device(deviceNodes=[{"path": "dev/x"}]), "must be an absolute path"),
        (device(deviceNodes=[{"path": "/x", "permissions": "z"}]), "r, w and m only"),
        (device(deviceNodes=[{"path": "/x", "type": "q"}]), "none of b, c, u, p"),
        (device(deviceNodes=[{"path": "/x", "major": -1}]), "whole number"),
        (device(mounts=[{"hostPath": "/x"}]), "must be an absolute path"),
        (device(hooks=[{"hookName": "never", "path": "/x"}]), "is none of prestart"),
        (device(hooks=[{"hookName": "poststop", "path": "x"}]), "must be an absolute path"),
    ],
)
def test_a_mistake_is_named(value: object, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as caught:
        parse(value, "/etc/cdi/toy.json")
    assert str(caught.value).startswith("/etc/cdi/toy.json")


def test_names_have_three_parts() -> None:
    assert split("vendor.com/class=name") == ("vendor.com/class", "name")
    for wrong in ("class=name", "vendor.com/class", "vendor.com/class=", "/c=n", "vendor.com/c/d=n"):
        with pytest.raises(InvalidRequest):
            split(wrong)


def test_edits_go_where_they_belong_and_the_last_one_wins() -> None:
    hooks = [{"hookName": "createContainer", "path": "/hook", "args": ["hook"], "timeout": 5}]
    mounts = [{"hostPath": "/lib", "containerPath": "/l", "options": ["ro"]}]
    nodes = [{"path": "/dev/x", "type": "c", "major": 7, "minor": 8, "permissions": "r"}]
    found = parse(device(env=["B=3", "C=4"], deviceNodes=nodes, mounts=mounts, hooks=hooks), "f").devices["x"]
    made = apply(SPEC, [Edits(env=("B=9",)), found], lambda node: node)
    assert made["process"]["env"] == ["A=1", "B=3", "C=4"]
    assert [(each["path"], each["major"]) for each in made["linux"]["devices"]] == [("/dev/x", 7)]
    rule = {"allow": True, "type": "c", "major": 7, "minor": 8, "access": "r"}
    assert made["linux"]["resources"]["devices"] == [rule]
    assert made["mounts"] == [{"source": "/lib", "destination": "/l", "type": "bind", "options": ["ro", "rbind"]}]
    assert made["hooks"] == {"createContainer": [{"path": "/hook", "args": ["hook"], "timeout": 5}]}
    assert SPEC["process"]["env"] == ["A=1", "B=2"] and "hooks" not in SPEC


def test_what_a_node_lacks_is_asked_for() -> None:
    edits = Edits(nodes=(Node(path="/dev/y", host_path="/dev/z"),))
    made = apply(SPEC, [edits], lambda node: replace(node, kind="b", major=1, minor=2, mode=0o600))
    assert made["linux"]["devices"][-1] == {
        "path": "/dev/y", "type": "b", "major": 1, "minor": 2, "fileMode": 0o600, "uid": 0, "gid": 0,
    }  # fmt: skip
