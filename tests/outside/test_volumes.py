"""Does a volume do what dockerd's does? Recorded from dockerd, but for what it does not have."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from engine import Engine
from expect import CREATE, IMAGE, ONCE, OUTSIDE, Docker, says
from rawhttp import call

LOCAL_NAME = (
    'create {0}: "{0}" includes invalid characters for a local volume name, '
    'only "\\[a-zA-Z0-9\\]\\[a-zA-Z0-9_.-\\]" are '
    "allowed. If you intended to pass a host directory, use absolute path"
)


@pytest.fixture
def volume(docker: Docker, name: str) -> Iterator[str]:
    """The name of a volume that is removed when the test ends, with all whose names begin like it."""
    yield name
    docker("rm", "-fv", *docker("ps", "-aq", "--filter", f"name={name}").stdout.split())
    docker("volume", "rm", "-f", *docker("volume", "ls", "-q", "--filter", f"name={name}").stdout.split())


def mounts(docker: Docker, container: str) -> dict[str, dict[str, object]]:
    """What inspect says of a container's mounts, by destination."""
    found = json.loads(docker("inspect", "-f", "{{json .Mounts}}", container).stdout)
    return {mount.pop("Destination"): mount for mount in found}


def test_a_volume_is_made_listed_and_removed(docker: Docker, volume: str) -> None:
    says(docker("volume", "create", volume, "--label", "a=b"), f"{volume}\n")
    says(docker("volume", "create", volume, "--label", "c=d"), f"{volume}\n")
    [found] = json.loads(docker("volume", "inspect", volume).stdout)
    assert Path(found.pop("Mountpoint")).parts[-3:] == ("volumes", volume, "_data")
    assert found.pop("CreatedAt").endswith("Z")
    assert found == {"Driver": "local", "Labels": {"a": "b"}, "Name": volume, "Options": None, "Scope": "local"}
    for term, shown in (
        ("name=" + volume[:-1], 1),
        ("label=a=b", 1),
        ("label=a=x", 0),
        ("driver=x", 0),
        ("dangling=1", 1),
    ):
        listed = docker("volume", "ls", "-q", "--filter", "name=" + volume, "--filter", term).stdout
        assert listed == f"{volume}\n" * shown, term
    docker(*CREATE, "--name", f"{volume}-user", "-v", f"{volume}:/data", IMAGE)
    says(docker("volume", "ls", "-q", "--filter", "name=" + volume, "--filter", "dangling=true"), "")
    says(docker("volume", "rm", volume), err=rf"remove {volume}: volume is in use - \[[0-9a-f]{{64}}\]", code=1)
    docker("rm", f"{volume}-user")
    says(docker("volume", "rm", volume), f"{volume}\n")
    says(docker("volume", "rm", volume), err=f"get {volume}: no such volume", code=1)
    says(docker("volume", "rm", "-f", volume), f"{volume}\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("../x", LOCAL_NAME.format("../x")),
        ("v", "create v: volume name is too short, names should be at least two alphanumeric characters"),
        ("NAME -d nosuch", 'create NAME: error looking up volume plugin nosuch: plugin "nosuch" not found'),
        ("NAME -o x=1", 'create NAME: invalid option: "x"'),
        ("NAME -o type=tmpfs", 'create NAME: missing required option: "device"'),
        ("NAME -o o=ro", 'create NAME: missing required option: "device"'),
        ("NAME -o device=/tmp", 'create NAME: missing required option: "type"'),
        ("NAME -o size=10m", "create NAME: quota size requested but no quota support"),
    ],
)
def test_what_cannot_be_a_volume_is_refused(docker: Docker, volume: str, words: str, sentence: str) -> None:
    """B13 B12: names and options that are none."""
    done = docker("volume", "create", *words.replace("NAME", volume).split())
    says(done, err=sentence.replace("NAME", volume), code=1)
    says(docker("volume", "ls", "-q", "--filter", f"name={volume}"), "")


def test_every_way_to_ask_for_a_mount_is_shown_as_dockerd_shows_it(docker: Docker, volume: str, tmp_path: Path) -> None:
    asked = [
        "-v", f"{volume}-a:/data", "-v", "/anon", "-v", f"{tmp_path}/made:/src:ro", "-v", f"{volume}-n:/n:nocopy",
        "--mount", f"type=volume,src={volume}-m,dst=/m,volume-nocopy", "--mount", "type=volume,dst=/am",
        "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m", "-v", f"{volume}-z:/z:z,ro",
        "--mount", f"type=bind,src={tmp_path},dst=/b,readonly,bind-propagation=rslave", "--tmpfs", "/hidden",
    ]  # fmt: skip
    says(docker(*CREATE, "--name", volume, *asked, IMAGE, "sh"), "[0-9a-f]{64}\n")
    found = mounts(docker, volume)
    plain = {"Type": "volume", "Driver": "local", "Mode": "z", "RW": True, "Propagation": ""}
    for target, wanted in {
        "/data": {**plain, "Name": f"{volume}-a"},
        "/m": {**plain, "Name": f"{volume}-m"},
        "/n": {**plain, "Name": f"{volume}-n", "Mode": "nocopy"},
        "/z": {**plain, "Name": f"{volume}-z", "Mode": "z,ro", "RW": False},
        "/am": {**plain},
        "/anon": {**plain, "Mode": ""},
        "/src": {"Type": "bind", "Source": f"{tmp_path}/made", "Mode": "ro", "RW": False, "Propagation": "rprivate"},
        "/t": {"Type": "tmpfs", "Source": "", "Mode": "", "RW": True, "Propagation": ""},
        "/b": {"Type": "bind", "Source": f"{tmp_path}", "Mode": "", "RW": False, "Propagation": "rslave"},
    }.items():
        mount = found.pop(target)
        if mount["Type"] == "volume":
            assert str(mount.pop("Source")).endswith(f"/volumes/{mount['Name']}/_data")
        if target in ("/am", "/anon"):
            assert len(str(mount.pop("Name"))) == 64
        assert mount == wanted, target
    assert not found
    assert not (tmp_path / "made").exists()


def test_an_empty_volume_takes_over_what_the_image_has_there(docker: Docker, volume: str) -> None:
    """B09: with owner and mode, once, and not when it is asked not to."""
    says(docker(*ONCE, "-v", f"{volume}-a:/tmp", "-v", f"{volume}-a2:/etc", IMAGE, "sh", "-c",
                "stat -c '%a %u' /tmp; head -c4 /etc/passwd; rm /etc/passwd; echo own >/etc/own"),
         "1777 0\nroot")  # fmt: skip
    again = docker(*ONCE, "-v", f"{volume}-a2:/etc:rw", IMAGE, "sh", "-c", "cat /etc/own; ls /etc/passwd")
    says(again, "own\n", err="/etc/passwd: No such file", code=1)
    says(docker(*ONCE, "-v", f"{volume}-b:/etc:nocopy", IMAGE, "ls", "/etc/passwd"), err="No such file", code=1)
    says(docker(*ONCE, "-v", "/etc/passwd", IMAGE), err="cannot mount volume over existing file, file exists", code=125)
    says(docker(*ONCE, "-v", f"{volume}-c:/etc/passwd", IMAGE), err="is not directory", code=125)


def test_two_containers_share_a_volume_and_one_may_only_read(docker: Docker, volume: str) -> None:
    docker("run", "-d", "--network", "none", "--name", volume, "-v", f"{volume}-s:/w", IMAGE, "sleep", "1000")
    docker("exec", volume, "sh", "-c", "echo one >/w/f")
    says(docker(*ONCE, "-v", f"{volume}-s:/r:ro", IMAGE, "sh", "-c", "cat /r/f; touch /r/x"), "one\n",
         err="Read-only file system", code=1)  # fmt: skip
    script = "echo two >/w/f"
    says(docker(*ONCE, "--volumes-from", volume, IMAGE, "sh", "-c", script), "")
    says(docker(*ONCE, "--volumes-from", f"{volume}:ro", IMAGE, "sh", "-c", script), err="Read-only", code=1)
    says(docker("exec", volume, "cat", "/w/f"), "two\n")
    for wrong, sentence in (
        ("nosuch", "No such container: nosuch"),
        (f"{volume}:bogus", "invalid mode: bogus"),
        ("", "volumes-from specification cannot be an empty string"),
    ):
        says(docker(*CREATE, "--volumes-from", wrong, IMAGE), err=sentence, code=1)


def test_volumes_without_a_name_go_with_their_container_when_asked(docker: Docker, volume: str) -> None:
    def known() -> set[str]:
        return set(docker("volume", "ls", "-q").stdout.split())

    before = known()
    docker(*CREATE, "--name", f"{volume}-1", "-v", "/a", "-v", f"{volume}-n:/n", IMAGE)
    docker(*CREATE, "--name", f"{volume}-2", "--volumes-from", f"{volume}-1", IMAGE)
    made = known() - before - {f"{volume}-n"}
    assert len(made) == 1
    docker("rm", "-v", f"{volume}-1")
    assert known() - before == made | {f"{volume}-n"}  # another container has it
    docker("rm", "-v", f"{volume}-2")
    assert known() - before == {f"{volume}-n"}
    docker(*ONCE, "-v", "/a", "-v", f"{volume}-n:/n", IMAGE)
    assert known() - before == {f"{volume}-n"}
    docker(*CREATE, "--name", f"{volume}-3", "-v", "/a", IMAGE)
    docker("rm", f"{volume}-3")
    left = known() - before - {f"{volume}-n"}
    assert len(left) == 1
    docker("volume", "rm", *left)


def test_a_volume_can_be_a_filesystem_that_containers_share(docker: Docker, volume: str, tmp_path: Path) -> None:
    """B12: options are what they seem."""
    options = ["-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=1000,noexec"]
    docker("volume", "create", f"{volume}-t", *options)
    docker("run", "-d", "--network", "none", "--name", volume, "-v", f"{volume}-t:/x", IMAGE, "sleep", "1000")
    docker("exec", volume, "sh", "-c", "echo shared >/x/f")
    seen = docker(*ONCE, "-v", f"{volume}-t:/y", IMAGE, "sh", "-c", "cat /y/f; grep ' /y ' /proc/mounts")
    says(seen, "shared\ntmpfs /y tmpfs rw,noexec,relatime,size=1024k,uid=1000.* 0 0\n")
    docker("rm", "-f", volume)
    says(docker(*ONCE, "-v", f"{volume}-t:/y", IMAGE, "ls", "/y"), "")  # nobody had it any more: it was unmounted
    (tmp_path / "f").write_text("of the host")
    docker("volume", "create", f"{volume}-b", "-o", "type=none", "-o", f"device={tmp_path}", "-o", "o=bind")
    says(docker(*ONCE, "-v", f"{volume}-b:/y", IMAGE, "cat", "/y/f"), "of the host")
    for opts, sentence in (
        (["type=none", f"device={tmp_path}/nosuch", "o=bind"], "no such file or directory"),
        (["type=bogus", "device=foo"], "no such device"),
        (["type=tmpfs", "device=tmpfs", "o=size=1m,nosuchoption"], "data: size=1m,nosuchoption: invalid argument"),
    ):
        docker("volume", "create", f"{volume}-x", *(word for opt in opts for word in ("-o", opt)))
        wanted = f"error while mounting volume '.*{volume}-x.*': failed to mount local volume: mount .*{sentence}"
        says(docker(*ONCE, "-v", f"{volume}-x:/x", IMAGE), err=wanted, code=(125, 127))
        docker("volume", "rm", f"{volume}-x")


@pytest.mark.skipif(bool(OUTSIDE), reason="newer than the dockerd that was asked, or ours alone")
def test_parts_of_volumes_and_images_can_be_mounted(docker: Docker, volume: str) -> None:
    """A37 of volumes: a part never leads out of its volume."""
    fill = "mkdir -p /v/a/b; echo deep >/v/a/b/f; ln -s /etc /v/out; ln -s ../.. /v/a/up; ln -s a/b /v/in"
    docker(*ONCE, "-v", f"{volume}:/v", IMAGE, "sh", "-c", fill)
    part = f"type=volume,src={volume},dst=/v,volume-subpath="
    for inside in ("a/b", "in", "a/b/"):
        says(docker(*ONCE, "--mount", part + inside, IMAGE, "cat", "/v/f"), "deep\n")
    for outside in ("out", "a/up", "nosuch", "../..", "/etc"):
        says(docker(*ONCE, "--mount", part + outside, IMAGE, "ls", "/v"), err=".", code=(125, 127))
    image = f"type=image,src={IMAGE},dst=/i"
    says(docker(*ONCE, "--mount", image, IMAGE, "sh", "-c", "ls /i/bin/busybox; touch /i/x"), "/i/bin/busybox\n",
         err="Read-only", code=1)  # fmt: skip
    says(docker(*ONCE, "--mount", image + ",image-subpath=etc", IMAGE, "ls", "/i"), "group\npasswd\n")
    says(docker(*CREATE, "--mount", "type=image,src=nosuch,dst=/i", IMAGE), err="No such image: nosuch", code=1)


@pytest.mark.skipif(bool(OUTSIDE), reason="ours alone")
def test_a_bind_can_show_other_owners(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    tmp_path.chmod(0o755)
    script = "stat -c %u:%g /m/f; echo >/m/new"
    says(docker(*ONCE, "-v", f"{tmp_path}:/m:idmap=1000-0-1", IMAGE, "sh", "-c", "stat -c %u:%g /m/f"), "1000:1000\n")
    says(
        docker(*ONCE, "-u", "1000:1000", "-v", f"{tmp_path}:/m:idmap=1000-0-1", IMAGE, "sh", "-c", script),
        "1000:1000\n",
    )
    assert ((tmp_path / "new").stat().st_uid, (tmp_path / "new").stat().st_gid) == (0, 0)
    says(docker(*CREATE, "-v", f"{tmp_path}:/m:idmap=1", IMAGE), err="write idmap=INSIDE-OUTSIDE-COUNT", code=1)


def test_volumes_outlive_containers_and_daemons(own_engine: Engine) -> None:
    """Also when everything is killed: data, holders, and the filesystem that a container still has mounted."""
    own_engine.docker("volume", "create", "mem", "-o", "type=tmpfs", "-o", "device=tmpfs")
    run = ("run", "-d", "--network", "none", "--name", "box", "-v", "keep:/d", "-v", "mem:/m", IMAGE, "sleep", "1000")
    own_engine.docker(*run)
    own_engine.docker("exec", "box", "sh", "-c", "echo kept >/d/f; echo held >/m/f")
    own_engine.kill()
    (own_engine.data_root / "volumes" / "found" / "_data").mkdir(parents=True)
    (own_engine.data_root / "volumes" / ".doomed-gone-0123456789abcdef").mkdir()
    own_engine.start()
    says(own_engine.docker("volume", "ls", "-q"), "found\nkeep\nmem\n")
    assert not list((own_engine.data_root / "volumes").glob(".doomed*"))
    says(own_engine.docker("volume", "rm", "keep"), err="volume is in use", code=1)
    both = own_engine.docker(*ONCE, "-v", "keep:/d", "-v", "mem:/m", IMAGE, "cat", "/d/f", "/m/f")
    says(both, "kept\nheld\n")
    own_engine.docker("rm", "-f", "box")
    says(own_engine.docker("volume", "rm", "keep", "mem", "found"), "keep\nmem\nfound\n")
    assert not list((own_engine.data_root / "volumes").iterdir())


@pytest.mark.skipif(bool(OUTSIDE), reason="newer than the dockerd that was asked")
def test_read_only_reaches_as_far_as_is_asked(docker: Docker, tmp_path: Path) -> None:
    """What is mounted below a bind is read-only with it, writable, or not there."""
    below = tmp_path / "below"
    below.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", below], check=True)
    try:
        (below / "f").write_text("x")
        mount = f"type=bind,src={tmp_path},dst=/b,readonly"
        look = "cat /b/below/f; touch /b/below/new && echo written; touch /b/new"
        for flags, out in (
            (["--mount", mount], "x"),
            (["-v", f"{tmp_path}:/b:ro"], "x"),
            (["--mount", mount + ",bind-recursive=enabled"], "x"),
            (["--mount", mount + ",bind-recursive=readonly,bind-propagation=rprivate"], "x"),
            (["--mount", mount + ",bind-recursive=writable"], "xwritten\n"),
            (["--mount", mount + ",bind-recursive=disabled"], ""),
        ):
            says(docker(*ONCE, *flags, IMAGE, "sh", "-c", look), out, err="/b/new: Read-only file system", code=1)
    finally:
        subprocess.run(["umount", "-l", below], check=True)


def test_what_a_prune_takes_depends_on_the_clients_version(own_engine: Engine) -> None:
    def prune(version: str, filters: dict[str, list[str]]) -> list[str]:
        target = f"/v{version}/volumes/prune?filters={quote(json.dumps(filters))}"
        answer = call(own_engine.socket, "POST", target)
        assert answer.status == 200, answer.body
        return sorted(answer.json()["VolumesDeleted"])

    for name in ("named", "kept", "labelled"):
        own_engine.docker("volume", "create", name, "--label", f"is={name}")
    own_engine.docker("create", "--name", "box", "-v", "kept:/k", "-v", "/anonymous", IMAGE, "true")
    anonymous = own_engine.docker("volume", "create").stdout.strip()
    assert prune("1.51", {"label": ["is=kept"]}) == []
    assert prune("1.51", {}) == [anonymous]
    assert prune("1.51", {"all": ["true"], "label": ["is=labelled"]}) == ["labelled"]
    assert prune("1.41", {}) == ["named"]
    own_engine.docker("rm", "-v", "box")
    assert own_engine.docker("volume", "ls", "-q").stdout == "kept\n"
    for method, path, body, status in (
        ("PUT", "/volumes/kept?version=1", {}, 503),
        ("POST", "/volumes/create", {"ClusterVolumeSpec": {}}, 503),
        ("POST", "/volumes/create", {"Name": 5}, 400),
        ("POST", "/volumes/create", {"DriverOpts": {"type": 1}}, 400),
        ("GET", "/volumes?filters={", None, 400),
        ("POST", "/volumes/kept/rename?name=../x", None, 400),
        ("POST", "/volumes/kept/clone?name=kept", None, 409),
        ("POST", "/volumes/nosuch/clone?name=new", None, 404),
    ):
        answer = call(own_engine.socket, method, f"/v1.51{path}", body)
        assert answer.status == status, (method, path, answer.body)
    own_engine.docker("volume", "rm", "kept")
