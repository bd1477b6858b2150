"""Where does a build go, and its cache? Files, directories, one layer, and an engine that has never seen any of it."""

import json
import tarfile
from pathlib import Path

from engine import Engine, Result
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


def test_what_was_built_is_told_as_buildx_does(own_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN true\n")
    told = tmp_path / "metadata.json"
    done = own_engine.sampan(
        "build", "-q", "-t", "a", "-t", "x.example/b:1", "--metadata-file", str(told), str(tmp_path)
    )
    image_id = done.stdout.strip()
    assert json.loads(told.read_text()) == {
        "containerimage.config.digest": image_id, "containerimage.digest": image_id,
        "image.name": "docker.io/library/a:latest,x.example/b:1",
    }  # fmt: skip
    own_engine.docker("rmi", "-f", "a", "x.example/b:1")


def test_the_files_of_several_platforms(own_engine: Engine, tmp_path: Path) -> None:
    context, tree, archive = tmp_path / "x", tmp_path / "tree", tmp_path / "out.tar"
    context.mkdir()
    deep = "d" * 90 + "/" + "e" * 90
    (context / deep).mkdir(parents=True)
    (context / deep / "file").write_text("deep\n")
    (context / "Dockerfile").write_text(
        "FROM scratch AS one\nARG TARGETARCH\nCOPY . /all\nCOPY Dockerfile /for-$TARGETARCH\n"
    )
    done = own_engine.sampan(
        "build", "-q", "--platform", "linux/s390x,linux/arm/v7", "-o", f"type=local,dest={tree}",
        "-o", f"type=tar,dest={archive}", str(context),
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert sorted(path.name for path in tree.iterdir()) == ["linux_arm_v7", "linux_s390x"]
    assert (tree / "linux_s390x" / "for-s390x").read_text() == (context / "Dockerfile").read_text()
    assert (tree / "linux_arm_v7" / "all" / deep / "file").read_text() == "deep\n"
    with tarfile.open(archive) as tar:
        names = {each.name: each for each in tar}
        found = tar.extractfile(f"linux_s390x/all/{deep}/file")
        assert found is not None and found.read() == b"deep\n"
        assert names["linux_arm_v7"].isdir() and "linux_arm_v7/for-arm" in names
    assert own_engine.docker("ps", "-aq").stdout == ""
    own_engine.docker("image", "prune", "-f")


def test_an_image_of_a_layout_is_a_context(own_engine: Engine, tmp_path: Path) -> None:
    context, layout = tmp_path / "x", tmp_path / "layout"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo of the layout > /told\n")
    done = own_engine.sampan(
        "build", "-q", "-t", "made:old", "-o", f"type=oci,dest={tmp_path}/layout.tar", str(context)
    )
    assert done.code == 0, done.stderr
    with tarfile.open(tmp_path / "layout.tar") as tar:
        tar.extractall(layout)
    own_engine.docker("rmi", "-f", "made:old")
    own_engine.sampan("builder", "prune", "-af")
    before = own_engine.docker("images", "-aq", "--no-trunc").stdout
    (context / "Dockerfile").write_text("FROM base AS x\nRUN cat /told\nFROM scratch\nCOPY --from=base /told /told\n")

    def build(where: str) -> Result:
        return own_engine.sampan(
            "build", "--progress", "plain", "-t", "new", "--build-context", f"base=oci-layout://{where}", str(context)
        )

    done = build(f"{layout}:old")
    assert done.code == 0, done.stdout + done.stderr
    assert own_engine.sampan("build", "-q", "-t", "new", "--build-context", f"base=oci-layout://{layout}", ".").code
    assert own_engine.docker("rmi", "new").code == 0
    assert own_engine.docker("images", "-aq", "--no-trunc").stdout == before, "it was there for the build only"
    for where, sentence in (
        (f"{layout}:new", "the layout has no image new"),
        (f"{layout}@sha256:{'0' * 64}", "the layout has no image sha256:000"),
        (f"{tmp_path}/nowhere", "no such file or directory"),
    ):
        failed = build(where)
        assert failed.code == 1 and sentence in failed.stderr, failed.stderr
    index = json.loads((layout / "index.json").read_text())
    digest = index["manifests"][0]["digest"]
    assert build(f"{layout}@{digest}").code == 0
    (layout / "blobs" / digest.replace(":", "/")).write_text("{}")
    assert build(f"{layout}:old").code == 1
    own_engine.docker("rmi", "new")
