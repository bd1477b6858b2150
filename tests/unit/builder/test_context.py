"""Does a context that comes in become what the build reads, and is half of one refused?"""

from pathlib import Path

import pytest

from archives import file, link, tar
from sampan.builder.context import Workspaces, without_ignored
from sampan.layers.header import BLOCK, BadLayer
from sampan.layers.stream import Pieces

CONTENT = b"x" * 700


@pytest.mark.parametrize("missing", [0, 100, 2 * BLOCK - 700])
def test_the_last_padding_may_be_missing_but_no_byte_of_a_file(tmp_path: Path, missing: int) -> None:
    archive = tar([file("a", b"first"), file("b", CONTENT)])
    end = archive.rindex(b"x") + 1
    padded = end + (-700 % BLOCK)
    workspaces = Workspaces(tmp_path / "builds")
    with workspaces.workspace() as workspace:
        kept = workspace.keep(Pieces([archive[: padded - missing]]))
        with kept.open() as tree:
            assert (tree.read(b"a", BLOCK), tree.read(b"b", 2 * BLOCK)) == (b"first", CONTENT)
        assert kept.size == padded
        with pytest.raises(BadLayer, match="unexpected end of the layer"):
            workspace.keep(Pieces([archive[: padded - BLOCK]]))
    workspaces.close()


def test_what_the_builder_reads_is_hidden_where_it_really_is(tmp_path: Path) -> None:
    ignored = file(".dockerignore", b"link/Dockerfile\n.dockerignore\n")
    members = [ignored, file("d", type=b"5"), file("d/Dockerfile", b"FROM scratch\n"), link("link", "d")]
    workspaces = Workspaces(tmp_path / "builds")
    with workspaces.workspace() as workspace:
        kept = without_ignored(workspace.keep(Pieces([tar(members)])), "link/Dockerfile")
        assert kept.hidden == {b"d/Dockerfile", b".dockerignore"}
        with kept.open() as tree:
            assert tree.resolve(b"link/Dockerfile")[1] is None
    workspaces.close()
