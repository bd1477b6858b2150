"""Is a name that begins with `.wh.` read as image-spec says, and an attribute kept only if it is harmless?"""

import pytest

from sampan.layers.header import BadLayer
from sampan.layers.tar import Kind
from sampan.layers.whiteout import Mark, admitted, classify


@pytest.mark.parametrize(
    ("name", "mark", "speaks_of"),
    [
        (b"plain", Mark.NONE, b"plain"),
        (b".whatever", Mark.NONE, b".whatever"),
        (b".wh", Mark.NONE, b".wh"),
        (b"x.wh.y", Mark.NONE, b"x.wh.y"),
        (b".wh.gone", Mark.DELETED, b"gone"),
        (b".wh..hidden", Mark.DELETED, b".hidden"),
        (b".wh....", Mark.DELETED, b"..."),
        (b".wh..wh", Mark.DELETED, b".wh"),
        (b".wh..wh..opq", Mark.OPAQUE, b""),
        (b".wh..wh.plnk", Mark.METADATA, b""),
        (b".wh..wh.aufs", Mark.METADATA, b""),
    ],
)
def test_marks(name: bytes, mark: Mark, speaks_of: bytes) -> None:
    assert classify(name) == (mark, speaks_of)


@pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh..."])
def test_c06_a_whiteout_of_nothing_or_of_a_dot_is_refused(name: bytes) -> None:
    with pytest.raises(BadLayer):
        classify(name)


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (Kind.FILE, {b"security.capability", b"user.a", b"user.overlayed"}),
        (Kind.DIRECTORY, {b"user.a", b"user.overlayed"}),
        (Kind.SYMLINK, set()),
        (Kind.CHARACTER, set()),
        (Kind.FIFO, set()),
    ],
)
def test_c07_c08_attributes_that_may_enter(kind: Kind, kept: set[bytes]) -> None:
    names = [
        b"security.capability", b"security.selinux", b"security.ima", b"trusted.overlay.opaque", b"trusted.x",
        b"system.x",
        b"user.a", b"user.overlayed", b"user.overlay.opaque", b"user.overlay.redirect", b"user.", b"other", b"",
    ]  # fmt: skip
    assert set(admitted(kind, dict.fromkeys(names, b"v"))) == kept
