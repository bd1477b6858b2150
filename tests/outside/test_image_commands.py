"""Do the rarer image commands do what they say: import from a URL, verify, prune, ls --tree, space that comes back?"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Engine, eventually
from expect import IMAGE, ONCE, says
from registry_server import RegistryServer

ID = "sha256:[0-9a-f]{64}"


@pytest.fixture(scope="module")
def own(image_tar: Path) -> Iterator[Engine]:
    """One engine for all of these, which may count what is on its disk."""
    engine = Engine()
    try:
        engine.start()
        assert engine.docker("import", "--change", 'CMD ["sh"]', str(image_tar), IMAGE).code == 0
        yield engine
    finally:
        found = engine.close()
    assert not found, f"the engine left behind: {found}"


@pytest.fixture
def website(own: Engine, image_tar: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a server in the engine's network namespace; /root.tar is the image's root filesystem."""
    os.link(image_tar, tmp_path / "root.tar")
    (tmp_path / "no.tar").write_bytes(b"no tar at all" * 100)
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0", "-d", str(tmp_path)]
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            ["nsenter", f"--net=/proc/{own.pid}/ns/net", *command], stdout=out, stderr=subprocess.STDOUT
        )
    assert eventually(lambda: b"http://" in log.read_bytes(), 20)
    yield log.read_text().partition("(")[2].partition("/)")[0]
    server.terminate()
    server.wait()


def test_import_from_a_url(own: Engine, website: str) -> None:
    says(own.docker("import", "-c", "CMD echo hi", f"{website}/root.tar", "url:1"), f"Downloading from .*\n{ID}\n")
    says(own.docker(*ONCE, "url:1"), "hi\n")
    said = own.docker("history", "--format", "{{.Comment}}", "--no-trunc", "url:1").stdout
    assert said == f"Imported from {website}/root.tar\n"
    before = own.docker("images", "-aq").stdout
    says(own.docker("import", f"{website}/nosuch"), err="with status 404", code=1)
    says(own.docker("import", f"{website}/no.tar"), "Downloading.*", err="tar|layer|header", code=1)
    says(own.docker("import", "http://127.0.0.1:9/x"), err="connection refused", code=1)
    assert own.docker("images", "-aq").stdout == before
    own.docker("rmi", "url:1")


def damaged_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(700)
        byte = file.read(1)
        file.seek(700)
        file.write(bytes([byte[0] ^ 1]))


def test_verify_names_what_is_damaged_and_mends_what_it_can(own: Engine, image_tar: Path) -> None:
    says(own.sampan("image", "verify"), r"Checked: \d+, repaired: 0, damaged: 0\n")
    [layer] = json.loads(own.docker("image", "inspect", IMAGE).stdout)[0]["RootFS"]["Layers"]
    directory = own.data_root / "layers" / layer.partition(":")[2]
    damaged_byte(directory / "layer.erofs")
    wanted = f"layer {layer} of {IMAGE}: index damaged"
    says(own.sampan("image", "verify", IMAGE), rf"{wanted}\nChecked: \d+, repaired: 0, damaged: 1\n", code=1)
    repaired = own.sampan("image", "verify", "--repair")
    says(repaired, rf"{wanted}; indexed again from its tar\nChecked: \d+, repaired: 1, damaged: 0\n")
    says(own.docker(*ONCE, IMAGE, "echo", "runs"), "runs\n")
    damaged_byte(directory / "layer.tar")
    result = own.sampan("image", "verify", "--repair")
    says(result, rf"layer {layer} of {IMAGE}: damaged\nChecked: \d+, repaired: 0, damaged: 1\n", code=1)
    damaged_byte(directory / "layer.tar")
    says(own.sampan("image", "verify", "nosuch"), err="No such image", code=1)


def bytes_on_disk(own: Engine) -> int:
    """What layers and content take."""
    parts = (own.data_root / "layers", own.data_root / "content")
    return sum(path.lstat().st_blocks * 512 for part in parts for path in part.rglob("*") if path.is_file())


def test_pruned_space_comes_back(own: Engine, image_tar: Path) -> None:
    before = bytes_on_disk(own)
    for number in range(3):
        fill = f"{{ dd if=/dev/zero bs=1048576 count=3; echo {number}; }} >f"
        own.docker("run", "--network", "none", "--name", f"c{number}", IMAGE, "sh", "-c", fill)
        says(own.docker("commit", f"c{number}", f"made:{number}"), f"{ID}\n")
        own.docker("rm", f"c{number}")
    says(own.docker("tag", "made:2", "other:2"))
    assert bytes_on_disk(own) >= before + 9 * (1 << 20)
    listed = own.sampan("image", "ls", "--tree").stdout.splitlines()
    assert listed[0].split() == ["IMAGE", "ID", "DISK", "USAGE", "CONTENT", "SIZE", "IN", "USE"]
    assert any(line.startswith("made:2") for line in listed) and any(line.startswith("other:2") for line in listed)
    usage = json.loads(own.docker("system", "df", "--format", "json").stdout.splitlines()[0])
    assert usage["TotalCount"] == "4"
    says(own.docker("image", "prune", "-af", "--filter", "until=1h"), "Total reclaimed space: 0B\n")
    says(own.docker("image", "prune", "-af", "--filter", "label=none"), "Total reclaimed space: 0B\n")
    says(own.docker("image", "prune", "-f"), "Total reclaimed space: 0B\n")
    own.docker("create", "--name", "keeps", "--network", "none", IMAGE)
    says(own.docker("image", "prune", "-af"), ".*untagged: other:2.*Total reclaimed space: 9.437MB\n")
    own.docker("rm", "keeps")
    assert own.docker("images", "-q").stdout.count("\n") == 1
    assert bytes_on_disk(own) <= before + (64 << 10)


def test_our_own_registry_and_a_layer_that_is_fetched_again(own: Engine, image_tar: Path) -> None:
    """Pushed, removed and pulled, it is the same image; when its layer is damaged here, it comes from there again."""
    registry = RegistryServer(prefix=("nsenter", f"--net=/proc/{own.pid}/ns/net"))
    try:
        name = f"{registry.address}/team/app:1"
        own.docker("run", "--name", "changed", "--network", "none", IMAGE, "sh", "-c", "echo hi >/file; rm /bin/wc")
        says(own.docker("commit", "-c", "CMD cat /file", "changed", name), f"{ID}\n")
        own.docker("rm", "changed")
        image = own.docker("image", "inspect", "-f", "{{.Id}}", name).stdout
        says(own.docker("push", "-q", name), f"{name}\n")
        says(own.docker("rmi", name), f"Untagged: {name}\n.*")
        says(own.docker("pull", "-q", name), f"{name}\n")
        assert own.docker("image", "inspect", "-f", "{{.Id}}", name).stdout == image
        says(own.docker(*ONCE, name), "hi\n")
        layer = json.loads(own.docker("image", "inspect", name).stdout)[0]["RootFS"]["Layers"][-1]
        damaged_byte(own.data_root / "layers" / layer.partition(":")[2] / "layer.tar")
        for blob in (own.data_root / "content" / "sha256").iterdir():
            if blob.read_bytes()[:2] in (b"\x1f\x8b", b"\x28\xb5"):
                blob.write_bytes(b"no layer any more")
        repaired = own.sampan("image", "verify", "--repair", name)
        assert repaired.code == 0, repaired
        assert f"layer {layer} of {name}: damaged; fetched again as" in repaired.stdout
        says(own.sampan("image", "verify"), r"Checked: \d+, repaired: 0, damaged: 0\n")
        says(own.docker(*ONCE, name), "hi\n")
        own.docker("rmi", name)
    finally:
        registry.close()
