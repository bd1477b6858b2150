"""How do the tests run a container by `sampan runtime`? A bundle of busybox, a --root and a cgroup of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.cli.runtime.commands.spec import default_spec
from sampan.linux.cgroupfs import hierarchies

SOURCE = Path(__file__).parents[2] / "src"
SECONDS = 60
LINES = "root:x:0:0:root:/root:/bin/sh\nwww:x:1000:1000::/home:/bin/sh\n"


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Bundle:
    """One bundle; `spec` is written at every call. `cgroup` is below a directory that only this test has."""

    path: Path
    root: Path
    group: str
    spec: dict[str, Any] = field(default_factory=default_spec)

    @property
    def rootfs(self) -> Path:
        """The container's files."""
        return self.path / "rootfs"

    def sampan(self, *words: str, stdin: str = "", cwd: Path | None = None) -> Ended:
        """Run `sampan runtime`."""
        command = [sys.executable, "-m", "sampan", "runtime", "--root", str(self.root), *words]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=SECONDS, cwd=cwd or "/", env=environment()
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def write(self) -> None:
        """Write config.json."""
        (self.path / "config.json").write_text(json.dumps(self.spec))

    def run(self, *program: str, flags: tuple[str, ...] = (), stdin: str = "") -> Ended:
        """Run a container to its end."""
        if program:
            self.spec["process"]["args"] = list(program)
        self.write()
        return self.sampan("run", "--bundle", str(self.path), *flags, "box", stdin=stdin)

    def shell(self, script: str, **options: Any) -> str:
        """What a script prints; it must succeed."""
        done = self.run("sh", "-c", script, **options)
        assert done.code == 0, done.err
        return done.out.strip()

    def create(self, *program: str, flags: tuple[str, ...] = ()) -> None:
        """Create the container `box`; its streams are nobody's."""
        self.spec["process"]["args"] = list(program)
        self.write()
        words = [sys.executable, "-m", "sampan", "runtime", "--root", str(self.root), "create", "--bundle"]
        with (self.path / "log").open("w") as log:
            code = subprocess.run(
                [*words, str(self.path), *flags, "box"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=SECONDS, env=environment(),
            ).returncode  # fmt: skip
        assert code == 0, self.log()

    def log(self) -> str:
        """What a created container has printed."""
        return (self.path / "log").read_text()

    def state(self) -> dict[str, Any]:
        """The OCI state of `box`."""
        done = self.sampan("state", "box")
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    def left(self) -> list[str]:
        """Cgroups and records that are still there."""
        groups = [str(path) for h in hierarchies() for path in Path(h.mount + self.group).glob("*") if path.is_dir()]
        records = [str(path) for path in self.root.glob("*")] if self.root.exists() else []
        return groups + records

    def namespace(self, kind: str, path: str | None = "") -> None:
        """Make a namespace new, join the one at `path`, or leave the host's for None."""
        others = [entry for entry in self.spec["linux"]["namespaces"] if entry["type"] != kind]
        wanted = [] if path is None else [{"type": kind, **({"path": path} if path else {})}]
        self.spec["linux"]["namespaces"] = others + wanted

    def in_user_namespace(self, path: str = "") -> None:
        """Put it into a user namespace, new with a map from 100000 on, or that at `path`."""
        self.namespace("user", path)
        if not path:
            maps = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
            self.spec["linux"] |= {"uidMappings": maps, "gidMappings": maps}


def environment() -> dict[str, str]:
    """The environment of the commands: this source."""
    return {**os.environ, "PYTHONPATH": str(SOURCE)}


def fill(root: Path) -> None:
    """A root filesystem: busybox and two users."""
    program = shutil.which("busybox")
    assert program is not None
    for name in ("bin", "etc", "proc", "dev", "sys", "tmp", "home", "root"):
        (root / name).mkdir(mode=0o755, parents=True)
    root.chmod(0o755)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(LINES)
    shutil.copy(program, root / "bin/busybox")
    for applet in subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if not (root / "bin" / applet).exists():
            (root / "bin" / applet).symlink_to("busybox")


@contextmanager
def bundles() -> Iterator[Bundle]:
    """A bundle; what is left of its containers at the end is taken away, and is an error."""
    # Not below pytest's directory, which root in a user namespace may not even search.
    path = Path(tempfile.mkdtemp(prefix="sampan-oci-"))
    path.chmod(0o755)
    group = f"/sampan-test-{os.getpid()}-{path.name}"
    fill(path / "rootfs")
    bundle = Bundle(path, path / "state", group)
    bundle.spec["process"]["terminal"] = False
    bundle.spec["root"]["readonly"] = False
    bundle.spec["linux"]["cgroupsPath"] = f"{group}/box"
    try:
        yield bundle
    finally:
        for container in bundle.root.glob("*"):
            bundle.sampan("delete", "--force", container.name)
        left = bundle.left()
        for hierarchy in hierarchies():
            try:
                os.rmdir(hierarchy.mount + group)
            except OSError:
                continue
        shutil.rmtree(path)
    assert not left
