"""Does `docker commit` make the image that dockerd would make?"""

import json

import pytest

from engine import Engine, Result
from expect import DETACHED, IMAGE, ONCE, Docker, says

WORK = "mkdir -p /data/sub; echo hi >/data/file; ln -s file /data/link; ln /data/file /data/hard; rm /bin/wc; sleep 99"


@pytest.fixture
def container(docker: Docker, name: str) -> str:
    """A container that has changed some files."""
    docker(*DETACHED, "--name", name, "-e", "A=1", IMAGE, "sh", "-c", WORK)
    done = docker("exec", name, "sh", "-c", "until [ ! -e /bin/wc ]; do :; done")
    assert done.code == 0, done.stderr
    return name


def test_the_changes_are_in_the_image_and_its_history_says_so(docker: Docker, container: str) -> None:
    tag = f"{container}-image:1"
    says(
        docker("commit", "-a", "me <me@x>", "-m", "the message", "-c", "ENV B=2", "-c", "CMD ls", container, tag),
        "sha256:[0-9a-f]{64}\n",
    )
    try:
        look = "cat /data/link; stat -c %h /data/hard; test -e /bin/wc || echo gone; echo $A$B"
        says(docker(*ONCE, tag, "sh", "-c", look), "hi\n2\ngone\n12\n")
        [image] = json.loads(docker("image", "inspect", tag).stdout)
        assert (image["Author"], image["Comment"]) == ("me <me@x>", "the message")
        assert image["Config"]["Cmd"] == ["/bin/sh", "-c", "ls"]
        assert image["Parent"] == docker("image", "inspect", "-f", "{{.Id}}", IMAGE).stdout.strip()
        history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", tag).stdout
        assert history.startswith(f"sh -c {WORK}|the message\n")
        changed = docker("run", "--rm", "--network", "none", tag, "sh", "-c", "ls -A /data").stdout.split()
        assert changed == ["file", "hard", "link", "sub"]
        says(docker("rmi", IMAGE), err="is using its referenced image|dependent child", code=1)
    finally:
        says(docker("rmi", tag), f"Untagged: {tag}\n(Deleted: sha256:[0-9a-f]{{64}}\n){{2}}")


def test_what_is_wrong_is_said_and_makes_no_image(docker: Docker, container: str) -> None:
    before = docker("images", "-aq").stdout
    says(docker("commit", "nosuch"), err="No such container: nosuch", code=1)
    says(docker("commit", "-c", "RUN x", container), err="run is not a valid change command", code=1)
    says(docker("commit", "-c", "", container), err="file with no instructions", code=1)
    says(docker("commit", container, "a//b"), err="invalid reference format", code=1)
    assert docker("images", "-aq").stdout == before


def test_killed_in_the_middle_of_a_commit(own_engine: Engine) -> None:
    own_engine.docker("run", "-d", "--name", "box", "--network", "none", IMAGE, "sh", "-c", WORK)
    fill = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i >/data/$i; done"
    own_engine.docker("exec", "box", "sh", "-c", fill)
    before = own_engine.docker("images", "-aq").stdout
    client = own_engine.spawn("commit", "box", "half:1")
    own_engine.kill()
    client.communicate(timeout=60)
    own_engine.start()
    images = own_engine.docker("images", "-aq").stdout
    assert images == before or whole(
        own_engine.docker("run", "--rm", "--network", "none", "half:1", "cat", "/data/300")
    )
    says(own_engine.docker("exec", "box", "echo", "thawed"), "thawed\n")
    says(own_engine.docker("commit", "box", "half:2"), "sha256:.*")
    assert whole(own_engine.docker("run", "--rm", "--network", "none", "half:2", "cat", "/data/300"))


def whole(result: Result) -> bool:
    """Whether the last file that was made is in the image."""
    return result.stdout == "300\n"
