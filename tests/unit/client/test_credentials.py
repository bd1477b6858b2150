"""docker's config.json: what is read, what is written, and what is left as it was."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import pytest

from sampan.client import credential_helper
from sampan.client.credentials import HUB_KEY, CredentialFile, encode, header, key_of
from sampan.errors import InvalidRequest


def write(tmp_path: Path, document: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps(document))


def decoded(value: str) -> object:
    return json.loads(base64.urlsafe_b64decode(value))


@pytest.mark.parametrize(
    ("server", "key"),
    [
        ("docker.io", HUB_KEY), ("index.docker.io", HUB_KEY), (HUB_KEY, HUB_KEY), ("r.lan:5000", "r.lan:5000"),
        ("https://r.lan:5000/v2/", "r.lan:5000"),
    ],
)  # fmt: skip
def test_keys(server: str, key: str) -> None:
    assert key_of(server) == key


def test_what_docker_wrote_is_read(tmp_path: Path) -> None:
    pair = base64.b64encode(b"me:se:cret").decode()
    write(tmp_path, {"auths": {"https://r.lan/v1/": {"auth": pair}, HUB_KEY: {"auth": pair, "identitytoken": "t"}}})
    assert decoded(header(str(tmp_path), "r.lan")) == {
        "username": "me", "password": "se:cret", "serveraddress": "r.lan",
    }  # fmt: skip
    assert decoded(header(str(tmp_path), "docker.io")) == {
        "username": "me", "identitytoken": "t", "serveraddress": HUB_KEY,
    }  # fmt: skip
    assert header(str(tmp_path), "other.lan") == encode({}) == "e30="
    assert header(str(tmp_path / "nowhere"), "r.lan") == "e30="


def test_what_is_written_keeps_the_rest(tmp_path: Path) -> None:
    write(tmp_path, {"HttpHeaders": {"X": "y"}, "auths": {"a": {"auth": "YTpi"}}, "currentContext": "c"})
    assert CredentialFile(str(tmp_path)).store("r.lan", "me", "secret", is_token=False) == str(tmp_path / "config.json")
    document = json.loads((tmp_path / "config.json").read_text())
    assert document["HttpHeaders"] == {"X": "y"}
    assert document["auths"]["a"] == {"auth": "YTpi"}
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert CredentialFile(str(tmp_path)).find("r.lan")["password"] == "secret"
    assert CredentialFile(str(tmp_path)).erase("r.lan")
    assert not CredentialFile(str(tmp_path)).erase("r.lan")
    assert list(json.loads((tmp_path / "config.json").read_text())["auths"]) == ["a"]
    assert [each.name for each in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "a JSON object is expected"),
        ({"auths": []}, "auths is no object"),
        ({"auths": {"r.lan": {"auth": "%"}}}, "damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, document: object, sentence: str) -> None:
    write(tmp_path, document)
    with pytest.raises(InvalidRequest, match=sentence):
        CredentialFile(str(tmp_path)).find("r.lan")


def test_a_helper_without_a_program(tmp_path: Path) -> None:
    write(tmp_path, {"credsStore": "of-nobody"})
    with pytest.raises(credential_helper.HelperFailed, match="not found in"):
        CredentialFile(str(tmp_path)).find("r.lan")
    write(tmp_path, {"credHelpers": {"r.lan": "../../bin/sh"}})
    with pytest.raises(credential_helper.HelperFailed, match="cannot be the name"):
        CredentialFile(str(tmp_path)).find("r.lan")


class Memory(keyring.backend.KeyringBackend):
    """A keyring that a system might have."""

    priority = 5  # type: ignore[assignment]

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def no_keyring() -> None:
    """A system without one, whatever this machine has."""
    keyring.set_keyring(keyring.backends.fail.Keyring())


@pytest.fixture
def system_keyring(no_keyring: None) -> Iterator[Memory]:
    mine = Memory()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(keyring.backends.fail.Keyring())


def test_the_systems_keyring_is_preferred_to_the_file(tmp_path: Path, system_keyring: Memory) -> None:
    write(tmp_path, {"auths": {}})
    assert CredentialFile(str(tmp_path)).store("r.lan", "me", "secret", is_token=False) == ""
    assert "secret" in next(iter(system_keyring.kept.values()))
    assert json.loads((tmp_path / "config.json").read_text()) == {"auths": {"r.lan": {}}}
    assert CredentialFile(str(tmp_path)).find("r.lan") == {
        "username": "me", "password": "secret", "serveraddress": "r.lan",
    }  # fmt: skip
    CredentialFile(str(tmp_path)).store("docker.io", "me", "token", is_token=True)
    assert CredentialFile(str(tmp_path)).find("docker.io") == {"identitytoken": "token", "serveraddress": HUB_KEY}
    assert CredentialFile(str(tmp_path)).erase("r.lan")
    assert CredentialFile(str(tmp_path)).find("r.lan") == {}
    assert len(system_keyring.kept) == 1
