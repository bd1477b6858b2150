"""The real docker-registry (Debian's), beside an engine in its network namespace: loopback, and one address more."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from engine import HERE, Engine, eventually

PROGRAM = shutil.which("docker-registry")
OUTER = "10.99.0.1"  # an address that is not loopback, so TLS is asked for
USER, PASSWORD = "me", "hunter2"
HTPASSWD = f"{USER}:$2b$04$ZirTANznno.80mmcnSqk5OOO7MnzxgC..6ws0lMypfFpB0gRphx8S\n"
_ADD_ADDRESS = (
    "from pyroute2 import IPRoute; ip = IPRoute(); "
    f"ip.addr('replace', index=ip.link_lookup(ifname='lo')[0], address='{OUTER}', prefixlen=32)"
)


def inside(engine: Engine, command: Sequence[str], **options: object) -> "subprocess.Popen[bytes]":
    """A command in the engine's network namespace, left running."""
    assert engine.network is not None
    join = [sys.executable, str(HERE / "isolate.py"), "--join", str(engine.network)]
    return subprocess.Popen([*join, *command], pass_fds=(engine.network,), **options)  # type: ignore[call-overload,no-any-return]


def add_address(engine: Engine) -> None:
    """Give the namespace an address that is not loopback."""
    assert inside(engine, [sys.executable, "-c", _ADD_ADDRESS]).wait(30) == 0


class DockerRegistry:
    """One docker-registry with storage of its own."""

    def __init__(self, engine: Engine, port: int, *, address: str = "127.0.0.1", guarded: bool = False,
                 tls: Path | None = None, proxy: str = "", data: Path | None = None) -> None:  # fmt: skip
        self.host = f"{address}:{port}"
        self.root = Path(tempfile.mkdtemp(prefix="docker-registry-", dir="/var/tmp"))
        (self.root / "htpasswd").write_text(HTPASSWD)
        lines = [
            "version: 0.1",
            f"storage: {{filesystem: {{rootdirectory: {data or self.root / 'data'}}}, delete: {{enabled: true}}}}",
            "log: {level: warn, accesslog: {disabled: true}}",
            f"http: {{addr: {self.host}"
            + (f", tls: {{certificate: {tls}/server.pem, key: {tls}/server.key}}" if tls else "") + "}",
        ]  # fmt: skip
        if guarded:
            lines.append(f"auth: {{htpasswd: {{realm: r, path: {self.root}/htpasswd}}}}")
        if proxy:
            lines.append(f"proxy: {{remoteurl: {proxy}}}")
        (self.root / "config.yml").write_text("\n".join(lines) + "\n")
        self.log = self.root / "log"
        assert PROGRAM is not None
        with self.log.open("wb") as log:
            self.process = inside(
                engine, [PROGRAM, "serve", str(self.root / "config.yml")], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        knock = f"import socket; socket.create_connection(('{address}', {port}), 1)"
        asked = [sys.executable, "-S", "-c", knock]
        assert eventually(lambda: inside(engine, asked, stderr=subprocess.DEVNULL).wait(10) == 0, 30), (
            self.log.read_text()
        )

    def close(self) -> None:
        """End it and remove what it had."""
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.root)

    def blobs(self) -> list[Path]:
        """Every blob that it has."""
        return list((self.root / "data").rglob("blobs/sha256/*/*/data"))


def make_certificates(directory: Path) -> None:
    """An authority, `ca.pem`, and server certificates by name: good, for another host, and one that has run out."""
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", *options, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=the authority")
    for name, address, days in (("good", OUTER, "1"), ("other", "10.99.0.2", "1"), ("old", OUTER, "-1")):
        (directory / name).mkdir()
        extension = directory / name / "extension"
        extension.write_text(f"subjectAltName=IP:{address}\n")
        openssl("req", *options, "-keyout", f"{name}/server.key", "-out", f"{name}/csr", "-subj", "/CN=server")
        signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", str(extension)]
        if days == "-1":
            signer += ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
            if not _knows_dates():
                continue
        else:
            signer += ["-days", days]
        openssl("x509", "-req", "-in", f"{name}/csr", *signer, "-out", f"{name}/server.pem")


def _knows_dates() -> bool:
    said = subprocess.run(["openssl", "x509", "-help"], capture_output=True, text=True, check=False)
    return "not_before" in said.stdout + said.stderr


def write_credentials(home: Path, host: str) -> None:
    """A configuration directory of docker's CLI, logged in."""
    import base64

    directory = home / "docker-config"
    directory.mkdir(exist_ok=True)
    packed = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (directory / "config.json").write_text(f'{{"auths": {{"{host}": {{"auth": "{packed}"}}}}}}')
    os.chmod(directory / "config.json", 0o600)
