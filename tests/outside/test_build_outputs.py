"""Where does a build go, and its cache? Files, directories, one layer, and an engine that has never seen any of it."""

import json
import tarfile
from pathlib import Path

from engine import Engine
from expect import IMAGE

TEXT = (
    f"FROM {IMAGE} AS made\nRUN mkdir /d && echo 1 > /d/a && echo 2 > /d/b && ln /d/b /d/c\n"
    f"FROM {IMAGE}\nCOPY --from=made /d /d\nRUN rm /d/a /bin/wc; rm -r /home; mkdir /home; echo new > /home/x\n"
    "RUN echo last > /d/z\n"
)
LOOK = (
    "find / -xdev '(' -path /proc -o -path /sys -o -path /dev ')' -prune -o -type f -print | sort; "
    "cat /d/c /home/x; ls /home"
)


def test_outputs_and_caches(own_engine: Engine, tmp_path: Path) -> None:
    context, cache, tree, archive = (tmp_path / name for name in ("x", "cache", "tree", "out.tar"))
    context.mkdir()
    (context / "Dockerfile").write_text(TEXT)
    done = own_engine.sampan(
        "build", "--progress", "plain", "-t", "made", "--cache-to", f"type=local,dest={cache}",
        "-o", f"type=local,dest={tree}", "-o", f"type=tar,dest={archive}",
        "-o", f"type=docker,dest={tmp_path}/image.tar", str(context),
    )  # fmt: skip
    assert done.code == 0, done.stdout + done.stderr
    assert (tree / "d" / "z").read_text() == "last\n"
    assert sorted(path.name for path in (tree / "d").iterdir()) == ["b", "c", "z"]
    with tarfile.open(archive) as tar:
        assert {"d/z", "home/x"} <= {name.removeprefix("./") for name in tar.getnames()}
    with tarfile.open(tmp_path / "image.tar") as tar:
        assert "manifest.json" in tar.getnames()
    assert "sampan.cache" not in own_engine.docker("images").stdout
    assert own_engine.docker("ps", "-aq").stdout == ""

    squashed = own_engine.sampan("build", "-q", "--squash", "-t", "flat", str(context))
    assert squashed.code == 0, squashed.stderr
    layers = {
        name: json.loads(own_engine.docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", name).stdout)
        for name in (IMAGE, "made", "flat")
    }
    assert (len(layers["made"]), len(layers["flat"])) == (len(layers[IMAGE]) + 3, len(layers[IMAGE]) + 1)
    assert layers["flat"][: len(layers[IMAGE])] == layers[IMAGE], "the base is shared as before"
    seen = [own_engine.docker("run", "--rm", "--network", "none", name, "sh", "-c", LOOK) for name in ("made", "flat")]
    assert seen[0].stdout == seen[1].stdout != ""

    # All of it is forgotten: then the cache that was written makes every step a hit, and that of stages, too.
    assert own_engine.docker("rmi", "-f", "made", "flat").code == 0
    assert own_engine.sampan("builder", "prune", "-af").code == 0
    again = own_engine.sampan(
        "build", "--progress", "plain", "-t", "made", "--cache-from", f"type=local,src={cache}", str(context)
    )
    assert again.code == 0, again.stderr
    assert (again.stdout.count("Using cache"), again.stdout.count("Running in")) == (4, 0), again.stdout
    own_engine.docker("rmi", "-f", "made")
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN false\n")
    assert own_engine.sampan("build", "-q", "-t", "bad", str(context)).code == 1
    listed = own_engine.sampan("builder", "history", "--format", "{{.Name}} {{.Status}} {{.Steps}}").stdout.splitlines()
    assert listed == [
        "bad:latest Error 2 (0 cached)", "made:latest Completed 6 (4 cached)", "flat:latest Completed 6 (4 cached)",
        "made:latest Completed 6 (0 cached)",
    ]  # fmt: skip


def test_the_same_input_gives_the_same_bytes(own_engine: Engine, tmp_path: Path) -> None:
    base = json.loads(own_engine.docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", IMAGE).stdout)
    for number, name in enumerate(("one", "two")):
        context = tmp_path / name
        (context / "dir").mkdir(parents=True)
        (context / "dir" / "f").write_text("same\n")
        (context / "Dockerfile").write_text(
            f"FROM {IMAGE}\nARG SOURCE_DATE_EPOCH\nWORKDIR /new/deep\nCOPY dir ./dir\n"
            "RUN echo x > y && mkdir z\nCMD x\n"
        )
        archive = tmp_path / f"{name}.tar"
        done = own_engine.sampan(
            "build", "-q", "--no-cache", "-t", name, "--build-arg", f"SOURCE_DATE_EPOCH={1_600_000_000}",
            "-o", f"type=oci,dest={archive},rewrite-timestamp=true", str(context),
        )  # fmt: skip
        assert done.code == 0, f"{number}: {done.stderr}"
        with tarfile.open(archive) as tar:
            manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
            for layer in manifest["Layers"][len(base) :]:
                with tarfile.open(fileobj=tar.extractfile(layer)) as files:
                    assert {int(each.mtime) for each in files} <= {1_600_000_000}
    ids = {own_engine.docker("image", "inspect", "-f", "{{.Id}}", name).stdout for name in ("one", "two")}
    assert len(ids) == 1
    created = own_engine.docker("image", "inspect", "-f", "{{.Created}}", "one").stdout
    assert created.startswith("2020-09-13T12:26:40")
    own_engine.docker("rmi", "-f", "one", "two")
