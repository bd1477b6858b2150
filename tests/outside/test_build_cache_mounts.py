"""Can what `RUN --mount=type=cache` keeps be taken elsewhere, and brought back?"""

import os
import tarfile
from pathlib import Path

from archives import file, tar
from engine import Engine
from expect import IMAGE

LOOK = "cat /c/kept/*; ls -ld /c/kept; stat -c %u /c/kept/one; readlink /c/link"


def test_a_cache_mount_goes_out_and_comes_back(own_engine: Engine, tmp_path: Path) -> None:
    def said(number: int, command: str, target: str = "id=deps,target=/c") -> str:
        text = f"FROM {IMAGE}\nRUN --mount=type=cache,{target} : {number}; {command}\n"
        (tmp_path / "Dockerfile").write_text(text)
        done = own_engine.sampan("build", "--progress", "plain", str(tmp_path))
        assert done.code == 0, done.stdout + done.stderr
        return done.stdout

    archive = tmp_path / "deps.tar"
    cache = ("builder", "cache")
    absent = own_engine.sampan(*cache, "export", "deps", str(archive))
    assert (absent.code, "No such cache" in absent.stderr, archive.exists()) == (1, True, False)
    said(1, "mkdir -m 711 /c/kept; echo 11 > /c/kept/one; chown 77 /c/kept/one; ln -s /etc/passwd /c/link")
    assert own_engine.sampan(*cache, "export", "deps", str(archive)).code == 0
    with tarfile.open(archive) as found:
        assert {name.removeprefix("./") for name in found.getnames()} >= {"kept", "kept/one", "link"}

    own_engine.sampan("builder", "prune", "-af")
    assert "11\n" not in said(2, "cat /c/kept/one || true")
    done = own_engine.sampan(*cache, "import", "deps", str(archive))
    assert (done.code, done.stdout) == (0, "deps\n"), done.stderr
    seen = said(3, LOOK)
    assert all(text in seen for text in ("11\n", "drwx--x--x", "\n77\n", "/etc/passwd\n")), seen

    # Another id, a mount that is called after its target, and a namespace, have what is theirs.
    assert own_engine.sampan(*cache, "import", "/d/e", str(archive)).code == 0
    assert "11\n" in said(4, "cat /d/e/kept/one", "target=/d/e")
    assert own_engine.sampan(*cache, "export", "--namespace", "other", "deps", str(archive)).code == 1

    # What is no archive, or leads outside, changes nothing: neither here nor there.
    canary = tmp_path / "canary"
    bad = tmp_path / "bad.tar"
    for content in (b"no tar" * 200, archive.read_bytes()[:700], tar([file(f"../../../../..{canary}", b"x")])):
        bad.write_bytes(content)
        own_engine.sampan(*cache, "import", "broken", str(bad))
        assert not canary.exists()
    bad.write_bytes(b"no tar" * 200)
    assert own_engine.sampan(*cache, "import", "deps", str(bad)).code == 1
    assert "11\n" in said(5, "cat /c/kept/one")
    assert own_engine.sampan(*cache, "move", "deps").code != 0
    root = own_engine.data_root / "build-cache"
    assert not [name for name in os.listdir(root) if name.startswith(".")]
