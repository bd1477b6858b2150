"""Which layers are believed after a power cut? The rest of the store is held to its promises in tests/contracts."""

import io
import tarfile
from pathlib import Path

from sampan.layers.store import Layers


def tar(name: str) -> io.BytesIO:
    """A layer of one empty file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return io.BytesIO(out.getvalue())


def test_a_layer_that_was_never_settled_is_gone_after_a_power_cut(tmp_path: Path) -> None:
    first = Layers(tmp_path / "layers", tmp_path / "run", backend="directory")
    lost, kept, same_boot = (first.ingest(tar(name), durable=False).diff_id for name in ("a", "b", "c"))
    first.settle([kept])
    assert not (tmp_path / "layers" / kept.partition(":")[2] / "unsettled").exists()
    (tmp_path / "layers" / lost.partition(":")[2] / "unsettled").write_text("another boot")
    first.close()
    again = Layers(tmp_path / "layers", tmp_path / "run", backend="directory")
    assert [again.has(diff_id) for diff_id in (lost, kept, same_boot)] == [False, True, True]
    assert again.ingest(tar("c")).diff_id == same_boot
    assert not (tmp_path / "layers" / same_boot.partition(":")[2] / "unsettled").exists()
    again.close()
