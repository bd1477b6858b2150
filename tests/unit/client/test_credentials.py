"""docker's config.json: what is read, what is written, and what is left as it was."""

import base64
import json
from pathlib import Path

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
