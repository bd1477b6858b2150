"""Where do flags, environment and contexts say that the engine is?"""

import hashlib
import json
from pathlib import Path

import pytest

from sampan.client.endpoint import default_url, resolve
from sampan.errors import InvalidRequest, NotFound


@pytest.mark.parametrize(
    ("environment", "host", "url"),
    [
        ({"SAMPAN_HOST": "unix:///s", "DOCKER_HOST": "unix:///d"}, "unix:///h", "unix:///h"),
        ({"SAMPAN_HOST": "unix:///s", "DOCKER_HOST": "unix:///d"}, "", "unix:///s"),
        ({"DOCKER_HOST": "unix:///d", "DOCKER_CONTEXT": "c"}, "", "unix:///d"),
    ],
)
def test_the_nearest_setting_wins(environment: dict[str, str], host: str, url: str) -> None:
    assert resolve(environment, host=host).url == url


@pytest.mark.parametrize(
    ("url", "path", "host", "port"),
    [
        ("unix:///run/x.sock", "/run/x.sock", "", 0),
        ("tcp://h:99", "", "h", 99),
        ("tcp://h", "", "h", 2375),
        ("tcp://[::1]:99", "", "::1", 99),
        ("tcp://[::1]", "", "::1", 2375),
        ("h:99", "", "h", 99),
        ("tcp://:99", "", "127.0.0.1", 99),
    ],
)
def test_addresses(url: str, path: str, host: str, port: int) -> None:
    endpoint = resolve({}, host=url)
    assert (endpoint.path, endpoint.host, endpoint.port) == (path, host, port)


@pytest.mark.parametrize("url", ["unix://", "ssh://host", "tcp://", "tcp://h:0", "tcp://h:70000", "tcp://h:x", "fd://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="unable to parse docker host"):
        resolve({}, host=url)


def test_tls_by_environment(tmp_path: Path) -> None:
    plain = resolve({"DOCKER_HOST": "tcp://h"})
    endpoint = resolve({"DOCKER_HOST": "tcp://h", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)})
    assert plain.tls is None
    assert endpoint.tls is not None
    assert (endpoint.port, endpoint.tls.verify, endpoint.tls.key) == (2376, True, f"{tmp_path}/key.pem")


def test_tls_flags_win_over_the_directory(tmp_path: Path) -> None:
    files = ("/a/ca", "", "/a/key")
    endpoint = resolve({}, host="tcp://h", tls=True, tls_files=files, config_directory=str(tmp_path))
    assert endpoint.tls is not None
    assert not endpoint.tls.verify
    assert (endpoint.tls.authority, endpoint.tls.certificate) == ("/a/ca", f"{tmp_path}/cert.pem")


def test_a_context_of_docker(tmp_path: Path) -> None:
    key = hashlib.sha256(b"far").hexdigest()
    meta = tmp_path / "contexts" / "meta" / key / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(
        json.dumps({"Name": "far", "Endpoints": {"docker": {"Host": "tcp://far:1", "SkipTLSVerify": True}}})
    )
    assert resolve({}, context="far", config_directory=str(tmp_path)).url == "tcp://far:1"
    (tmp_path / "contexts" / "tls" / key / "docker").mkdir(parents=True)
    endpoint = resolve({"DOCKER_CONTEXT": "far"}, config_directory=str(tmp_path))
    assert endpoint.tls is not None
    assert not endpoint.tls.verify
    meta.write_text("{}")
    with pytest.raises(InvalidRequest, match="cannot be read"):
        resolve({}, context="far", config_directory=str(tmp_path))


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match='context "far"'):
        resolve({}, context="far", config_directory=str(tmp_path))


def test_host_and_context_contradict_each_other() -> None:
    with pytest.raises(InvalidRequest, match="conflicting options"):
        resolve({}, host="unix:///x", context="c")


def test_the_default_is_local(tmp_path: Path) -> None:
    assert default_url({}, 0) == "unix:///run/sampan/sampan.sock"
    own = default_url({"XDG_RUNTIME_DIR": str(tmp_path)}, 1000)
    assert own in (f"unix://{tmp_path}/sampan/sampan.sock", "unix:///run/sampan/sampan.sock")
    (tmp_path / "sampan").mkdir()
    (tmp_path / "sampan" / "sampan.sock").touch()
    assert default_url({"XDG_RUNTIME_DIR": str(tmp_path)}, 1000) == f"unix://{tmp_path}/sampan/sampan.sock"
