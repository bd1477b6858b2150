"""What process do the flags of exec describe?"""

import pytest

from sampan.cli.runtime.commands.exec import user_of, with_capabilities
from sampan.errors import InvalidRequest


def test_a_user_is_numbers() -> None:
    assert user_of({"uid": 1, "gid": 2, "umask": 7}, "5", []) == {"uid": 5, "gid": 2, "umask": 7}
    assert user_of({}, "5:6", ["7", "8"]) == {"uid": 5, "gid": 6, "additionalGids": [7, 8]}
    for text in ("root", "-1", "5:", "+5", "٥"):
        with pytest.raises(InvalidRequest):
            user_of({}, text, [])


def test_an_added_capability_is_never_inheritable() -> None:
    sets = with_capabilities({"bounding": ["CAP_KILL"], "inheritable": []}, ["net_raw"])
    assert sets["bounding"] == ["CAP_KILL", "CAP_NET_RAW"]
    assert sets["effective"] == sets["permitted"] == ["CAP_NET_RAW"]
    assert sets["inheritable"] == []
