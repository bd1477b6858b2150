"""How are the test suites of other people's clients run? docker-py's and aiodocker's own, from their source packages.

They are fetched when the tests run, into .cache, with a virtual environment of their own for what they need; nothing of
theirs is part of this project. Where PyPI cannot be reached the tests skip.
"""

import fcntl
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path

from engine import Engine

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "clients"
# What the suites import besides; requests stays below the release that docker-py 7.0 cannot live with.
PACKAGES = [
    "docker==7.0.0", "requests<2.32", "paramiko", "websocket-client", "aiodocker==0.27.0", "testcontainers",
    "packaging", "pytest>=8", "pytest-timeout", "pytest-asyncio",
    "async-timeout",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suite:
    """One client's tests: which release, and how pytest is to be told to run them."""

    name: str
    version: str
    arguments: tuple[str, ...]

    @property
    def expected(self) -> dict[str, dict[str, str]]:
        """Reason → {test: what it says}, of those that do not pass yet."""
        path = Path(__file__).with_name(f"{self.name.replace('-', '_')}_expected.toml")
        return tomllib.loads(path.read_text())


DOCKER_PY = Suite("docker", "7.0.0", (
    "-o", "python_files=*_test.py",
    *(f"tests/integration/{name}_test.py" for name in (
        "api_build", "api_container", "api_volume", "api_network", "api_exec", "api_image", "api_client",
        "api_healthcheck", "models_containers", "models_images", "models_networks", "models_resources", "client",
        "errors", "regression",
    )),
))  # fmt: skip
AIODOCKER = Suite("aiodocker", "0.27.0", (
    "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=session",
    "-o", "asyncio_default_test_loop_scope=session",
    # These remove the image that all the others run, and would then pull it.
    "--deselect", "tests/test_containers.py::test_run_container_with_missing_image",
    "--deselect", "tests/test_containers.py::test_run_failing_start_container",
    *(f"tests/test_{name}.py" for name in (
        "containers", "docker_close", "events", "execs", "images", "integration", "stream", "system", "volumes",
    )),
))  # fmt: skip


def fetch(suite: Suite) -> Path | None:
    """The unpacked source package of the client, without its library; None if it cannot be had."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may want it at once
        tree = CACHE / f"{suite.name}-{suite.version}"
        if tree.exists() and _has_packages():
            return tree
        try:
            _fetch(suite, tree)
        except (subprocess.CalledProcessError, OSError):
            return None
        return tree


def _has_packages() -> bool:
    ready = CACHE / "venv" / "ready"
    return ready.exists() and ready.read_text() == " ".join(PACKAGES)


def _fetch(suite: Suite, tree: Path) -> None:
    python = CACHE / "venv" / "bin" / "python"
    if not _has_packages():
        subprocess.run([sys.executable, "-m", "venv", "--clear", CACHE / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
        (CACHE / "venv" / "ready").write_text(" ".join(PACKAGES))
    subprocess.run(
        [python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-binary", suite.name, "--no-deps",
         f"{suite.name}=={suite.version}", "-d", CACHE / "sdist"],
        check=True,
    )  # fmt: skip
    subprocess.run(["tar", "-C", CACHE, "-xzf", CACHE / "sdist" / f"{tree.name}.tar.gz"], check=True)
    # The installed library is tested, not the copy beside the tests.
    shutil.rmtree(tree / suite.name, ignore_errors=True)


def run(suite: Suite, tree: Path, engine: Engine) -> dict[str, str]:
    """Run the suite on an engine: test → why it failed, in one line ("" when it passed or skipped itself)."""
    report = engine.root / "report.xml"
    subprocess.run(
        [CACHE / "venv" / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
         "--rootdir", tree, "--timeout=60", "-W", "ignore", f"--junitxml={report}", *suite.arguments],
        cwd=tree, env=engine.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    results: dict[str, str] = {}
    for case in Xml.parse(report).iter("testcase"):
        name = f"{(case.get('classname') or '').removeprefix('tests.').removeprefix('integration.')}.{case.get('name')}"
        bad = next((child for child in case if child.tag in ("failure", "error")), None)
        results[name] = results.get(name) or (
            " ".join((bad.get("message") or "?").split())[:200] if bad is not None else ""
        )
    return results
