"""Does a RUN reach the SSH agent of whoever builds, and can it do nothing with it but list and sign?"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Engine, eventually
from expect import OUTSIDE

pytestmark = pytest.mark.skipif(bool(OUTSIDE), reason="the classic builder has no mounts")
KINDS = {"ed25519": (), "rsa": ("-b", "2048"), "ecdsa": ("-b", "384")}


@pytest.fixture(scope="module")
def base(engine: Engine) -> Iterator[str]:
    """An image with OpenSSH's own clients of an agent."""
    if not all(map(shutil.which, ("ssh-agent", "ssh-add", "ssh-keygen"))):
        pytest.skip("needs OpenSSH's client (Debian: openssh-client)")
    made = engine.sampan("image", "from-host", "-t", "ssh-client", "sh", "ssh-add", "ssh-keygen", "cat", "ls", "test")
    assert made.code == 0, made.stderr
    yield "ssh-client"
    engine.sampan("rmi", "-f", "ssh-client")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key, its public half beside it."""
    return new_key(tmp_path / "id", "ed25519")


def new_key(path: Path, kind: str, passphrase: str = "") -> Path:
    """Made by ssh-keygen."""
    command = ["ssh-keygen", "-q", "-t", kind, *KINDS[kind], "-N", passphrase, "-C", "the comment", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def agent(key: Path, tmp_path: Path) -> Iterator[Path]:
    """The socket of an agent that has the key."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as process:
        assert eventually(path.exists, 20)
        subprocess.run(["ssh-add", "-q", str(key)], env=os.environ | {"SSH_AUTH_SOCK": str(path)}, check=True)
        yield path
        process.terminate()


def context(directory: Path, text: str, key: Path) -> str:
    """A context with a Dockerfile and the public half of a key."""
    directory.mkdir()
    (directory / "Dockerfile").write_text(text)
    shutil.copy(f"{key}.pub", directory / "id.pub")
    return str(directory)


SIGN = (
    "RUN --mount=type=ssh echo words >/data && ssh-add -L && ssh-keygen -q -Y sign -n test -f /id.pub /data"
    " && ssh-keygen -Y check-novalidate -n test -s /data.sig </data\n"
)


def test_an_agent_lists_and_signs(
    engine: Engine, base: str, agent: Path, key: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'FROM {base}\nCOPY id.pub /\n{SIGN}RUN test -z "$SSH_AUTH_SOCK" && test ! -e /run/buildkit && echo clean\n'
    where = context(tmp_path / "c", text, key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    done = engine.sampan("build", "-t", name, "--progress", "plain", "--ssh", "default", where)
    assert done.code == 0, done.stdout + done.stderr
    public = Path(f"{key}.pub").read_text().split()[1]
    assert public in done.stdout and 'Good "test" signature' in done.stdout and "clean" in done.stdout
    shown = engine.docker("history", "--no-trunc", name).stdout + engine.docker("image", "inspect", name).stdout
    assert "ssh_agent" not in shown and str(agent) not in shown and public not in shown
    assert not list((engine.run_root / "exec").rglob("agent.sock"))
    # The step is cached; nobody is asked.
    again = engine.sampan("build", "--progress", "plain", "--ssh", f"default={agent}", where)
    assert again.code == 0 and again.stdout.count("Using cache") == 3
    assert engine.sampan("rmi", name).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_from_a_file_signs(engine: Engine, base: str, kind: str, name: str, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    key = new_key(tmp_path / "id", kind)
    where = context(tmp_path / "c", f"FROM {base}\nCOPY id.pub /\n{SIGN.replace('=ssh', '=ssh,id=mine')}", key)
    done = engine.sampan("build", "-t", name, "--progress", "plain", "--ssh", f"mine={key}", where)
    assert 'Good "test" signature' in done.stdout, done.stdout + done.stderr
    assert engine.sampan("rmi", name).code == 0


def test_nothing_else_can_be_done(engine: Engine, base: str, agent: Path, key: Path, tmp_path: Path) -> None:
    """A step cannot add, remove or lock: what it asks beyond the two questions never reaches the agent."""
    other = new_key(tmp_path / "other", "ed25519")
    text = (
        f"FROM {base}\nCOPY other /other\nRUN --mount=type=ssh,target=/a,mode=0666,required ls -l /a;"
        " ssh-add /other; ssh-add -D; ssh-add -x </dev/null; ssh-add -L\n"
    )
    where = context(tmp_path / "c", text, key)
    shutil.copy(other, Path(where) / "other")
    done = engine.sampan("build", "--progress", "plain", "--ssh", f"default={agent}", where)
    assert done.code == 0, done.stdout + done.stderr
    assert "Could not add identity" in done.stdout + done.stderr and "Failed to remove all" in done.stdout + done.stderr
    assert "srw-rw-rw-" in done.stdout
    listed = subprocess.run(
        ["ssh-add", "-L"], env=os.environ | {"SSH_AUTH_SOCK": str(agent)}, capture_output=True, text=True, check=True
    ).stdout
    assert listed.count("\n") == 1 and Path(f"{key}.pub").read_text().split()[1] in listed


def test_root_of_a_remapped_engine_reaches_it(image_tar: Path, agent: Path, key: Path, tmp_path: Path) -> None:
    remapped = Engine("--userns-remap", "300000-65536")
    try:
        remapped.start()
        made = remapped.sampan("image", "from-host", "-t", "ssh-client", "sh", "ssh-add", "cat")
        assert made.code == 0, made.stderr
        (tmp_path / "secret").write_text("words of the secret\n")
        mounts = "--mount=type=ssh --mount=type=secret,id=s --mount=type=cache,target=/cache"
        run = f"RUN {mounts} ssh-add -L && cat /run/secrets/s >/cache/kept && cat /cache/kept\n"
        where = context(tmp_path / "c", f"FROM ssh-client\n{run}", key)
        given = ("--ssh", f"default={agent}", "--secret", f"id=s,src={tmp_path}/secret")
        done = remapped.sampan("build", "--progress", "plain", *given, where)
        assert "words of the secret" in done.stdout, done.stdout + done.stderr
        assert done.code == 0 and Path(f"{key}.pub").read_text().split()[1] in done.stdout, done.stdout + done.stderr
        assert (remapped.run_root / "exec" / "secrets").stat().st_mode & 0o777 == 0o700
    finally:
        found = remapped.close()
    assert not found


def test_an_agent_that_is_not_there(engine: Engine, base: str, key: Path, tmp_path: Path) -> None:
    without = 'RUN --mount=type=ssh test -z "$SSH_AUTH_SOCK" && echo went-on\n'
    text = f"FROM {base}\n{without}RUN --mount=type=ssh,id=x,required ls\n"
    done = engine.sampan("build", "--progress", "plain", context(tmp_path / "c", text, key))
    assert done.code == 1 and "went-on" in done.stdout
    assert (
        "Dockerfile:3" in done.stderr and 'no SSH key "x" forwarded from the client: build with --ssh x' in done.stderr
    )


def test_mistakes_are_told(engine: Engine, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    odd = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed448").Ed448PrivateKey.generate()
    form = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    unknown = odd.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (tmp_path / "odd").write_bytes(unknown)
    for flag, sentence in (
        (f"x={tmp_path}/odd", "it is no RSA, ECDSA or Ed25519 key"),
        ("default", "make sure SSH_AUTH_SOCK is set"),
        ("x=/nowhere", "--ssh x: /nowhere: no such file or directory"),
        (f"x={key}.pub", "it is no private key"),
        (f"x={new_key(tmp_path / 'locked', 'ed25519', 'secret')}", "it has a passphrase: add it to an ssh-agent"),
    ):
        done = engine.sampan("build", "--ssh", flag, str(tmp_path))
        assert done.code and sentence in done.stderr, done.stderr


def test_a_client_that_goes_leaves_nothing(engine: Engine, base: str, agent: Path, key: Path, tmp_path: Path) -> None:
    where = context(tmp_path / "c", f"FROM {base}\nRUN --mount=type=ssh ssh-add -L; cat /dev/zero >/dev/null\n", key)
    command = [sys.executable, "-m", "sampan", "build", "--progress", "plain", "--ssh", f"default={agent}", where]
    with subprocess.Popen(command, env=engine.environment(), stdout=subprocess.DEVNULL) as client:
        assert eventually(lambda: bool(list((engine.run_root / "exec").rglob("agent.sock"))), 30)
        client.send_signal(signal.SIGKILL)
    assert eventually(lambda: not left(engine), 30), left(engine)


def left(engine: Engine) -> list[Path]:
    """Steps, and sockets of agents."""
    running = engine.run_root / "exec"
    return [*running.glob("containers/[!.]*"), *running.rglob("agent.sock")]
