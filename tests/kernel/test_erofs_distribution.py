"""Is a whole distribution, as an image ships it, the same through the index as through tar?

Takes any large tar: SAMPAN_TEST_LAYER=/path/to/layer.tar; without it, one is made of some of this machine's files.
"""

import os
import subprocess
from pathlib import Path

import pytest

from contracts.trees import layer_picture, picture
from sampan.layers.probe import DIRECTORY, EROFS, probe_backend
from sampan.layers.store import Layers

pytestmark = pytest.mark.needs_root


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer with thousands of files that nobody made for a test."""
    given = os.environ.get("SAMPAN_TEST_LAYER")
    if given:
        return Path(given)
    path = tmp_path_factory.mktemp("host") / "layer.tar"
    command = ["tar", "-cf", str(path), "--format=pax", "--xattrs", "--sort=name", "-C", "/"]
    subprocess.run([*command, "etc", "usr/share/zoneinfo", "usr/share/perl", "usr/sbin"], stderr=subprocess.DEVNULL)
    return path


@pytest.mark.parametrize("backend", [EROFS, DIRECTORY])
def test_it_is_what_tar_makes_of_it(tar: Path, tmp_path: Path, backend: str) -> None:
    if backend == EROFS and probe_backend(tmp_path) != EROFS:
        pytest.skip("this kernel cannot mount EROFS from files (Linux 6.12)")
    layers = Layers(tmp_path / "layers", tmp_path / "run", backend=backend)
    with open(tar, "rb", buffering=0) as file:
        found = layers.ingest(file).diff_id
    seen = layer_picture(layers, found)
    unpacked = tmp_path / "tar"
    unpacked.mkdir()
    command = ["tar", "-xpf", str(tar), "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", str(unpacked)]
    subprocess.run(command, check=True)
    expected = picture(unpacked)
    implied = {path for path in expected if path in (".", "usr", "usr/share")}  # tar gives these the time of unpacking
    assert len(seen) > 100
    assert {path: entry for path, entry in seen.items() if path not in implied} == {
        path: entry for path, entry in expected.items() if path not in implied
    }
