"""Where can the files of a build come from besides its own directory? Other directories, each with a name."""

import json
from pathlib import Path

import docker

from archives import file, tar
from engine import Engine
from expect import IMAGE

TEXT = (
    f"FROM {IMAGE} AS shadowed\nRUN false\n"
    f"FROM {IMAGE}\nCOPY --from=shadowed a dir/link /copied/\nCOPY a /own\n"
    "RUN --mount=from=other,target=/m --mount=from=shadowed,source=dir,target=/s cat /m/o /s/b > /mounted\n"
    "RUN cat /copied/a /own /copied/link /mounted; ls -a /copied; test ! -e /m\n"
)


def test_directories_with_names(own_engine: Engine, tmp_path: Path) -> None:
    main, first, other = (tmp_path / name for name in ("main", "first", "other"))
    for directory in (main, first / "dir", other):
        directory.mkdir(parents=True)
    (main / "Dockerfile").write_text(TEXT)
    (main / "a").write_text("main\n")
    (first / "a").write_text("first\n")
    (first / "dir" / "b").write_text("below\n")
    (first / "dir" / "link").symlink_to("b")
    (other / "o").write_text("other\n")
    (other / "left-out").write_text("canary")
    (other / ".dockerignore").write_text("left-out\n.dockerignore\n")
    named = ("--build-context", f"shadowed={first}", "--build-context", f"other={other}")

    def build(*flags: str) -> str:
        done = own_engine.sampan("build", "--progress", "plain", *flags, str(main))
        return done.stdout + done.stderr

    said = build("-t", "named", *named)
    shown = [line.split()[-1] for line in said.splitlines() if line]
    at = shown.index("first")
    assert shown[at : at + 5] == ["first", "main", "below", "other", "below"], said
    assert "Running in" in said and "Running in" not in build("-t", "again", *named), "the same files are the same"
    (other / "o").write_text("changed\n")
    assert build(*named).count("Running in") == 2, "what mounts it runs again, and what follows"

    (main / "Dockerfile").write_text("FROM other\nLABEL x=y\n")
    assert own_engine.sampan("build", "-q", "-t", "rootfs", *named, str(main)).code == 0
    tree = tmp_path / "tree"
    assert own_engine.sampan("build", "-q", "-o", f"type=local,dest={tree}", *named, str(main)).code == 0
    assert [path.name for path in tree.iterdir()] == ["o"]

    assert "no such directory" in build("--build-context", f"other={tmp_path}/missing")
    client = docker.APIClient(base_url=f"unix://{own_engine.socket}", timeout=60)
    sent = tar([file("Dockerfile", b"FROM other")])
    # A path in the request itself opens nothing of the machine, and a word is good for one build.
    for where in (str(first), f"file://{first}", "input:guessed", "oci-layout://x"):
        refused = client._post(
            f"{client.base_url}/v1.41/build", params={"contexts": json.dumps({"other": where})}, data=sent
        )
        assert "error" in refused.text or refused.status_code >= 400, where
    client.close()
    assert not list((own_engine.data_root / "builds").iterdir()), "nothing is left of what was sent"
