"""Do images move between the engine and a real docker-registry, by docker's own CLI and by ours?"""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import docker_archive, file, link, tar
from conftest import prepare
from docker_registry import OUTER, PASSWORD, PROGRAM, USER, DockerRegistry, add_address, inside, make_certificates
from engine import Engine, eventually
from expect import IMAGE, OUTSIDE, says

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="needs docker-registry (Debian has it)"),
    pytest.mark.skipif(bool(OUTSIDE), reason="the registry is beside an engine that the test started"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes containers"),
]
DIGEST = "sha256:[0-9a-f]{64}"


class Stage:
    """An engine with registries beside it."""

    def __init__(self, directory: Path) -> None:
        (directory / "certs.d").mkdir()
        self.config = directory / "daemon.json"
        self.config.write_text("{}")
        self.certificates = directory
        self.engine = Engine("--config-file", str(self.config), "--registry-certs-dir", str(directory / "certs.d"))
        self.registries: list[DockerRegistry] = []

    def open(self, image_tar: Path) -> None:
        """Start everything."""
        self.engine.start()
        add_address(self.engine)
        prepare(self.engine, image_tar)
        self.plain = self.add(5000)
        self.guarded = self.add(5001, guarded=True)

    def add(self, port: int, **options: object) -> DockerRegistry:
        """One registry more."""
        self.registries.append(DockerRegistry(self.engine, port, **options))  # type: ignore[arg-type]
        return self.registries[-1]

    def remove(self, registry: DockerRegistry) -> None:
        """One less."""
        self.registries.remove(registry)
        registry.close()

    def ours(self) -> list[str]:
        """The names of images here, but for the one that all tests have."""
        listed = self.engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
        return [name for name in listed if name != IMAGE]

    def forget(self) -> None:
        """Remove the images that a test made."""
        for name in self.ours():
            self.engine.docker("rmi", "-f", name)


@pytest.fixture(scope="module")
def shared(image_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("registry"))
    try:
        stage.open(image_tar)
        yield stage
    finally:
        for registry in list(stage.registries):
            stage.remove(registry)
        found = stage.engine.close()
    assert not found, f"the engine left behind: {found}"


@pytest.fixture
def stage(shared: Stage) -> Iterator[Stage]:
    yield shared
    shared.forget()
    shared.engine.sampan("logout", shared.guarded.host)


def odd_layer() -> bytes:
    """Everything that a layer can hold: modes, owners, times, links, devices, attributes, sparse names."""
    return tar([
        file("etc/conf", b"x" * 5000, mode=0o640, uid=1000, gid=2000, mtime=1_600_000_000),
        file("bin/su", b"#!", mode=0o4755), file("tmp/d", type=tarfile.DIRTYPE, mode=0o1777),
        link("etc/soft", "../conf"), link("etc/hard", "etc/conf", tarfile.LNKTYPE),
        file("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), file("run/pipe", type=tarfile.FIFOTYPE),
        file("etc/ping", b"y", pax_headers={"SCHILY.xattr.user.note": "kept", "mtime": "1600000000.123456789"}),
        file("d/" + "n" * 200, b"long"), file(".wh.gone"),
    ])  # fmt: skip


def test_an_image_goes_there_and_comes_back_the_same(stage: Stage, image_tar: Path, tmp_path: Path) -> None:
    engine, name = stage.engine, f"{stage.plain.host}/team/odd:1"
    layers = [image_tar.read_bytes(), odd_layer()]
    (tmp_path / "a.tar").write_bytes(docker_archive(name, layers))
    engine.docker("load", "-i", str(tmp_path / "a.tar"))
    shown = json.loads(engine.docker("image", "inspect", name).stdout)[0]
    pushed = engine.docker("push", name)
    wanted = (
        rf"The push refers to repository \[{stage.plain.host}/team/odd\]\n(\w{{12}}: Preparing\n){{2}}"
        rf"(\w{{12}}: Pushed\n){{2}}1: digest: ({DIGEST}) size: \d+\n"
    )
    says(pushed, wanted)
    digest = re.search(DIGEST, pushed.stdout)
    assert digest is not None
    says(engine.docker("push", name), r".*(\w{12}: Layer already exists\n){2}1: digest: " + digest[0] + r" size: \d+\n")
    assert (
        engine.docker("inspect", "-f", "{{json .RepoDigests}}", name).stdout
        == f'["{stage.plain.host}/team/odd@{digest[0]}"]\n'
    )
    engine.docker("rmi", "-f", name)
    assert name not in stage.ours()
    pulled = engine.docker("pull", name)
    says(pulled, (
        r"1: Pulling from team/odd\n(\w{12}: \w[^\n]*\n)+"
        f"Digest: {digest[0]}\nStatus: Downloaded newer image for {name}\n{name}\n"
    ))  # fmt: skip
    for words in ("Pulling fs layer", "Verifying Checksum", "Download complete", "Pull complete"):
        assert len(re.findall(rf"^\w{{12}}: {words}$", pulled.stdout, re.MULTILINE)) >= 1, pulled.stdout
    again = json.loads(engine.docker("image", "inspect", name).stdout)[0]
    # The ID is over the config, the config over the tars: so every member is the same, byte for byte.
    assert (again["Id"], again["RootFS"]) == (shown["Id"], shown["RootFS"])
    assert again["RepoDigests"] == [f"{stage.plain.host}/team/odd@{digest[0]}"]
    says(
        engine.docker("run", "--rm", "--network", "none", name, "stat", "-c", "%a %u:%g %Y", "/etc/conf"),
        "640 1000:2000 1600000000\n",
    )
    says(engine.docker("pull", name), f".*Status: Image is up to date for {name}\n{name}\n")
    by_digest = f"{stage.plain.host}/team/odd@{digest[0]}"
    says(engine.docker("pull", "-q", by_digest), f"{by_digest}\n")
    # To another repository of the same registry it is mounted, and stays the same.
    copy = f"{stage.plain.host}/other:2"
    engine.docker("tag", name, copy)
    before = len(stage.plain.blobs())
    says(engine.docker("push", copy), rf".*(\w{{12}}: Mounted from team/odd\n){{2}}2: digest: {digest[0]} size: \d+\n")
    assert len(stage.plain.blobs()) == before


def test_our_cli_pulls_and_pushes_as_dockers_does(stage: Stage) -> None:
    engine, name = stage.engine, f"{stage.plain.host}/cli"
    for tag in ("a", "b", "latest"):
        engine.docker("tag", IMAGE, f"{name}:{tag}")
    says(
        engine.sampan("push", name), r"Using default tag: latest\nThe push refers to repository .*latest: digest: .*\n"
    )
    says(engine.sampan("push", "-q", "-a", name), f"{name}\n")
    stage.forget()
    says(engine.sampan("pull", name), rf"Using default tag: latest\nlatest: Pulling from cli\n.*{name}:latest\n")
    says(engine.sampan("pull", "-q", "-a", name), f"{name}\n")
    assert sorted(stage.ours()) == [f"{name}:a", f"{name}:b", f"{name}:latest"]
    for client in (engine.docker, engine.sampan):
        says(client("pull", f"{name}:none"), code=1,
             err=f"Error response from daemon: manifest for {name}:none not found: manifest unknown: manifest unknown",
        )  # fmt: skip
        says(client("pull", "-a", f"{name}:a"), code=1, err="tag can't be used with --all-tags/-a")
        says(client("push", f"{name}:none"), r"The push refers to .*\n", code=1, err=f"tag does not exist: {name}:none")
        says(client("pull", "127.0.0.1:9/x:1"), code=1, err="dial tcp 127.0.0.1:9: connect: connection refused")
        says(client("pull", "Upper"), ".*", code=1, err="must be lowercase")


def test_run_brings_what_is_missing(stage: Stage) -> None:
    engine, name = stage.engine, f"{stage.plain.host}/run:1"
    engine.docker("tag", IMAGE, name)
    engine.docker("push", name)
    for client in (engine.docker, engine.sampan):
        engine.docker("rmi", name)
        says(client("run", "--pull", "never", "--rm", "--network", "none", name, "echo", "hi"), code=125,
             err=f"No such image: {name}")  # fmt: skip
        ran = client("run", "--rm", "--network", "none", name, "echo", "hi")
        assert (ran.code, ran.stdout) == (0, "hi\n")
        assert f"Unable to find image '{name}' locally" in ran.stderr
        assert "Status: Downloaded newer image" in ran.stderr
        ran = client("run", "--pull", "always", "--rm", "--network", "none", name, "echo", "hi")
        assert (ran.code, ran.stdout) == (0, "hi\n")
        assert f"Image is up to date for {name}" in ran.stderr


def test_a_registry_with_a_password(stage: Stage) -> None:
    """D10: the secret is in no log, no event, nothing that is shown."""
    engine, host, name = stage.engine, stage.guarded.host, f"{stage.guarded.host}/private:1"
    engine.docker("tag", IMAGE, name)
    for client in (engine.docker, engine.sampan):
        says(client("push", name), r"The push refers to .*\n", code=1, err="no basic auth credentials")
        says(client("pull", name), code=1, err="no basic auth credentials")
        says(client("login", "-u", USER, "--password-stdin", host, stdin="wrong"), code=1, err="unauthorized")
        logged_in = client("login", "-u", USER, "--password-stdin", host, stdin=PASSWORD)
        assert (logged_in.code, "Login Succeeded" in logged_in.stdout) == (0, True), logged_in
        assert "stored unencrypted" in logged_in.stderr
        kept = engine.home / "docker-config" / "config.json"
        assert json.loads(kept.read_text())["auths"] == {host: {"auth": "bWU6aHVudGVyMg=="}}
        assert kept.stat().st_mode & 0o077 == 0
        says(client("push", "-q", name), f"{name}\n")
        says(client("pull", "-q", name), f"{name}\n")
        says(client("login", host), "Login Succeeded\n", err="Authenticating with existing credentials")
        says(client("logout", host), f"Removing login credentials for {host}\n")
        says(client("pull", name), code=1, err="no basic auth credentials")
    # Credentials that say whose they are do not go to somebody else.
    says(engine.sampan("login", "-u", USER, "--password-stdin", host, stdin=PASSWORD), "Login.*", err="unencrypted")
    engine.docker("tag", IMAGE, f"{stage.plain.host}/public:1")
    says(engine.sampan("push", "-q", f"{stage.plain.host}/public:1"), f"{stage.plain.host}/public:1\n")
    shown = engine.log.read_text() + engine.docker("events", "--since", "1h", "--until", "0s").stdout
    shown += engine.docker("info").stdout + engine.docker("image", "inspect", name).stdout
    assert not re.search(f"{PASSWORD}|bWU6aHVudGVyMg", shown)


def test_a_helper_keeps_the_secret(stage: Stage, tmp_path: Path) -> None:
    engine, host = stage.engine, stage.guarded.host
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"""#!/bin/sh
case $1 in
store) cat > {tmp_path}/kept;;
get) cat > /dev/null; [ -e {tmp_path}/kept ] && cat {tmp_path}/kept ||
     {{ echo 'credentials not found in native keychain'; exit 1; }};;
erase) rm -f {tmp_path}/kept;;
esac
""")
    helper.chmod(0o755)
    config = engine.home / "docker-config" / "config.json"
    before = config.read_text() if config.exists() else None
    config.parent.mkdir(exist_ok=True)
    config.write_text(json.dumps({"credHelpers": {host: "test"}}))
    environment = engine.environment() | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def sampan(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [*engine.command()[:3], *words]
        return subprocess.run(command, env=environment, input=PASSWORD, capture_output=True, text=True, check=False)

    try:
        done = sampan("login", "-u", USER, "--password-stdin", host)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert json.loads((tmp_path / "kept").read_text()) == {"ServerURL": host, "Username": USER, "Secret": PASSWORD}
        assert PASSWORD not in config.read_text()
        engine.docker("tag", IMAGE, f"{host}/helped:1")
        assert sampan("push", "-q", f"{host}/helped:1").returncode == 0
        assert sampan("logout", host).returncode == 0
        assert not (tmp_path / "kept").exists()
        assert "no basic auth credentials" in sampan("pull", f"{host}/helped:1").stderr
    finally:
        config.unlink()
        if before is not None:
            config.write_text(before)


def test_manifest_lists(stage: Stage) -> None:
    engine, host = stage.engine, stage.plain.host
    engine.docker("tag", IMAGE, f"{host}/amd:1")
    engine.docker("tag", IMAGE, f"{host}/arm:1")
    for name in ("amd", "arm"):
        engine.docker("push", "-q", f"{host}/{name}:1")
    target = f"{host}/list:1"
    says(
        engine.sampan("manifest", "create", target, f"{host}/amd:1", f"{host}/arm:1"),
        f"Created manifest list {target}\n",
    )
    says(engine.sampan("manifest", "create", target, f"{host}/amd:1"), code=1, err="refusing to amend an existing")
    says(engine.sampan("manifest", "annotate", "--arch", "arm64", "--variant", "v8", target, f"{host}/arm:1"))
    local = json.loads(engine.sampan("manifest", "inspect", target).stdout)
    assert [each["platform"]["architecture"] for each in local["manifests"]] == ["amd64", "arm64"]
    pushed = engine.sampan("manifest", "push", "--purge", target)
    says(pushed, rf"(Pushed ref {host}/list@{DIGEST} with digest: {DIGEST}\n){{2}}{DIGEST}\n")
    says(engine.sampan("manifest", "rm", target), code=1, err=f"No such manifest: {target}")
    assert json.loads(engine.sampan("manifest", "inspect", target).stdout) == local
    says(engine.sampan("manifest", "inspect", f"{host}/nothing:1"), code=1, err=f"no such manifest: {host}/nothing:1")
    asked = json.loads(engine.sampan("manifest", "inspect", "-v", f"{host}/amd:1").stdout)
    assert (asked["Ref"], asked["Descriptor"]["platform"]) == (
        f"{host}/amd:1",
        {"architecture": "amd64", "os": "linux"},
    )
    digest = pushed.stdout.split()[-1]
    says(engine.docker("pull", target), f".*Digest: {digest}\n.*")
    says(engine.docker("pull", "--platform", "linux/s390x", target), code=1, err="no matching manifest for linux/s390x")


def test_tls_is_not_given_up(stage: Stage, tmp_path: Path) -> None:
    """D04: a bad certificate, one of another host, one that has run out, none at all; and what makes each right."""
    engine, certs = stage.engine, stage.certificates / "certs.d"
    make_certificates(tmp_path)
    engine.docker("tag", IMAGE, f"{OUTER}:5443/app:1")
    for name, problem in (("good", "x509"), ("other", "x509"), ("old", "x509"), ("", "tls:|x509|EOF")):
        if name and not (tmp_path / name / "server.pem").exists():
            continue  # this openssl cannot make a certificate that has run out
        registry = stage.add(5443, address=OUTER, tls=tmp_path / name if name else None)
        try:
            says(engine.docker("push", f"{OUTER}:5443/app:1"), ".*", code=1, err=problem)
            (certs / f"{OUTER}:5443").mkdir()
            (certs / f"{OUTER}:5443" / "ca.crt").write_bytes((tmp_path / "ca.pem").read_bytes())
            reload(stage, {})
            pushed = engine.docker("push", "-q", f"{OUTER}:5443/app:1")
            assert (pushed.code == 0) == (name == "good"), pushed
            reload(stage, {"insecure-registries": [f"{OUTER}:5443"]})
            says(engine.docker("push", "-q", f"{OUTER}:5443/app:1"), f"{OUTER}:5443/app:1\n")
        finally:
            for path in sorted((certs / f"{OUTER}:5443").glob("*")):
                path.unlink()
            (certs / f"{OUTER}:5443").rmdir()
            stage.remove(registry)
            reload(stage, {})


def reload(stage: Stage, document: dict[str, object]) -> None:
    """Give the daemon another configuration, and wait until it says that it has it."""
    stage.config.write_text(json.dumps(document))
    before = stage.engine.log.read_text().count("configuration reloaded")
    os.kill(stage.engine.pid, signal.SIGHUP)
    assert eventually(lambda: stage.engine.log.read_text().count("configuration reloaded") > before)


ENDLESS = """
import http.server

class Endless(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path != "/v2/":
            for _ in range(1024):
                self.wfile.write(b" " * (1 << 20))

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 5009), Endless).serve_forever()
"""


def test_a_registry_without_end_leaves_the_daemon_small(stage: Stage) -> None:
    """D11: a manifest, a list of tags and a search result of a gigabyte each."""
    engine = stage.engine
    liar = inside(engine, [sys.executable, "-S", "-c", ENDLESS], stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: "connection refused" not in engine.docker("pull", "127.0.0.1:5009/app:1").stderr)
        pid, before = engine.pid, resident(engine)
        for words in (
            ("pull", "127.0.0.1:5009/app:1"),
            ("pull", "-a", "127.0.0.1:5009/app"),
            ("search", "127.0.0.1:5009/app"),
        ):
            says(engine.docker(*words), code=1, err="larger than the limit of 4194304 bytes")
        assert (engine.pid, engine.answers()) == (pid, True)
        assert resident(engine) < before + 32_000, "kB"
    finally:
        liar.kill()
        liar.wait()


def resident(engine: Engine) -> int:
    """The most memory that the daemon ever had, in kB."""
    [line] = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{engine.pid}/status").read_text())
    return int(line)


def test_a_mirror_is_taken_on_without_a_restart(stage: Stage) -> None:
    engine = stage.engine
    engine.docker("tag", IMAGE, f"{stage.plain.host}/library/mirrored:1")
    says(engine.docker("push", "-q", f"{stage.plain.host}/library/mirrored:1"), ".*")
    says(engine.docker("pull", "mirrored:1"), code=1, err="lookup registry-1.docker.io")
    url = f"http://{stage.plain.host}"
    try:
        reload(stage, {"registry-mirrors": [url], "registries": {"registry.example.com": {"mirrors": [url]}}})
        says(engine.docker("pull", "-q", "mirrored:1"), "docker.io/library/mirrored:1\n")
        says(engine.docker("pull", "-q", "registry.example.com/library/mirrored:1"), ".*mirrored:1\n")
        assert f"{url}/" in engine.docker("info").stdout
        assert {"mirrored:1", "registry.example.com/library/mirrored:1"} < set(stage.ours())
    finally:
        reload(stage, {})
    stage.forget()
    says(engine.docker("pull", "mirrored:1"), code=1, err="lookup registry-1.docker.io")
