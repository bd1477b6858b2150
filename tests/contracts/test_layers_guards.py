"""Would the hostile corpus notice a defence that is gone?

Each defence is taken away, and the same attack must then succeed: a test that passes without its guard proves nothing.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.trees import layer_picture
from sampan.layers import changeset, compression, tar, unpack, whiteout
from sampan.layers.compression import Budget
from sampan.layers.header import BadLayer
from sampan.layers.probe import DIRECTORY
from sampan.layers.store import Layers
from unit.layers.crafted import archive, diff_id, directory, file, pax, symlink

pytestmark = pytest.mark.needs_root
Patch = pytest.MonkeyPatch


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """A store of unpacked layers, where every attribute and path is plain to see."""
    return Layers(tmp_path / "layers", tmp_path / "run", backend=DIRECTORY)


def names(layers: Layers, *members: bytes) -> list[str]:
    """What a layer holds, if it is accepted."""
    return sorted(layer_picture(layers, layers.ingest(io.BytesIO(archive(*members))).diff_id))


@pytest.mark.parametrize("guarded", [True, False])
def test_c01_names_that_climb(layers: Layers, monkeypatch: Patch, guarded: bool) -> None:
    def clamp(path: bytes) -> list[bytes]:
        return [part for part in path.split(b"/") if part not in (b"", b".", b"..")]

    if guarded:
        with pytest.raises(BadLayer):
            names(layers, file(b"../canary"))
    else:
        monkeypatch.setattr(changeset, "components", clamp)
        assert names(layers, file(b"../canary")) == [".", "canary"]


@pytest.mark.parametrize("guarded", [True, False])
def test_c02_the_unpacker_trusts_no_parent(layers: Layers, monkeypatch: Patch, tmp_path: Path, guarded: bool) -> None:
    """A link put in the place of a directory while it is unpacked, as by another process: openat2 refuses it."""
    canary = tmp_path / "canary"
    canary.mkdir()
    real = os.mkdir

    def swap(path: bytes | str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        if path == b"d":
            os.symlink(canary, path, dir_fd=dir_fd)
        else:
            real(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(unpack.os, "mkdir", swap)
    if not guarded:
        monkeypatch.setattr(unpack, "BENEATH", 0)
        monkeypatch.setattr(unpack, "OPEN_DIRECTORY", os.O_RDONLY | os.O_DIRECTORY)
    if guarded:
        with pytest.raises(OSError):
            layers.ingest(io.BytesIO(archive(directory(b"d"), file(b"d/f", b"x"))))
        assert os.listdir(canary) == []
    else:
        layers.ingest(io.BytesIO(archive(directory(b"d"), file(b"d/f", b"x"))))
        assert os.listdir(canary) == ["f"]


@pytest.mark.parametrize("guarded", [True, False])
def test_c02_hops_are_counted(layers: Layers, monkeypatch: Patch, guarded: bool) -> None:
    chain = [*(symlink(b"l%d" % n, b"l%d" % (n + 1)) for n in range(60)), file(b"l0/f")]
    if guarded:
        with pytest.raises(BadLayer, match="too many levels"):
            names(layers, *chain)
    else:
        monkeypatch.setattr(changeset, "HOPS_MAX", 1000)
        assert "l60/f" in names(layers, *chain)


@pytest.mark.parametrize("guarded", [True, False])
def test_c06_whiteouts_of_dots(layers: Layers, monkeypatch: Patch, guarded: bool) -> None:
    def careless(name: bytes) -> tuple[whiteout.Mark, bytes]:
        if name.startswith(b".wh."):
            return whiteout.Mark.DELETED, name[4:]
        return whiteout.Mark.NONE, name

    if not guarded:
        monkeypatch.setattr(changeset, "classify", careless)
        assert names(layers, file(b"a/.wh...")) == [".", "a"]  # only because the index is read past the dots
        return
    with pytest.raises(BadLayer):
        names(layers, file(b"a/.wh..."))


@pytest.mark.parametrize("guarded", [True, False])
def test_c07_attributes_are_chosen(layers: Layers, monkeypatch: Patch, guarded: bool) -> None:
    if not guarded:
        monkeypatch.setattr(changeset, "admitted", lambda kind, xattrs: xattrs)
    attributes = pax({b"SCHILY.xattr.trusted.overlay.redirect": b"/secret"})
    found = layers.ingest(io.BytesIO(archive(attributes, directory(b"d")))).diff_id
    seen = layer_picture(layers, found)["d"][4]
    assert seen == ([] if guarded else [["trusted.overlay.redirect", b"/secret".hex()]])


@pytest.mark.parametrize("guarded", [True, False])
def test_c10_growth_is_bounded(guarded: bool) -> None:
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(80)) + packer.flush()
    source = compression.open_decompressed(io.BytesIO(bomb), None if guarded else Budget(ratio_max=1 << 40))
    total = 0
    try:
        while piece := source.read(1 << 20):
            total += len(piece)
    except BadLayer:
        assert guarded
    assert (total < 80 << 20) is guarded


@pytest.mark.parametrize("guarded", [True, False])
def test_c13_checksums_are_checked(layers: Layers, monkeypatch: Patch, guarded: bool) -> None:
    damaged = [file(b"good"), file(b"bad", checksum=7)]
    if guarded:
        with pytest.raises(BadLayer):
            names(layers, *damaged)
    else:
        monkeypatch.setattr(tar, "verify_checksum", lambda block: None)
        assert names(layers, *damaged) == [".", "bad", "good"]


@pytest.mark.parametrize("guarded", [True, False])
def test_c13_trailing_bytes_count(layers: Layers, monkeypatch: Patch, guarded: bool) -> None:
    """Were the stream not drained, two different layers would get one diff ID."""
    from sampan.layers.ingest import Intake

    if not guarded:
        monkeypatch.setattr(Intake, "drain", lambda self: 0)
    plain = archive(file(b"f"))
    found = layers.ingest(io.BytesIO(plain + bytes(8 << 20) + b"tail")).diff_id
    assert (found == diff_id(plain + bytes(8 << 20) + b"tail")) is guarded


@pytest.mark.parametrize("guarded", [True, False])
def test_c17_diff_ids_are_checked(layers: Layers, monkeypatch: Patch, tmp_path: Path, guarded: bool) -> None:
    from sampan.layers import store

    (tmp_path / "canary").mkdir()
    check: Callable[[str], str] = store._hex if guarded else lambda name: name.partition(":")[2]
    monkeypatch.setattr(store, "_hex", check)
    if guarded:
        with pytest.raises(BadLayer):
            layers.remove("sha256:../canary")
    else:
        layers.remove("sha256:../canary")
    assert (tmp_path / "canary").exists() is guarded
