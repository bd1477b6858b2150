"""Which credentials does a client have for a registry, and where does it keep them?

docker's config.json, so that `docker login` and `sampan login` are one login:

    credHelpers[server], credsStore     a program that keeps them (credential_helper)
    auths[server]                       base64 of NAME:PASSWORD in the file itself; empty where the keyring has them

Where the Python package `keyring` finds a keyring of this system, secrets go there instead of into the file.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tempfile

from sampan.client import credential_helper
from sampan.errors import InvalidRequest, SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HUB, HUB_KEY = "docker.io", "https://index.docker.io/v1/"
HUB_HOSTS = ("docker.io", "index.docker.io", "registry-1.docker.io")
EMPTY_HEADER = "e30="
SERVICE = "sampan registry "


def key_of(server: str) -> str:
    """The key of a registry in config.json: its host and port, Docker Hub's historical URL."""
    host = host_of(server)
    return HUB_KEY if host in HUB_HOSTS else host


def host_of(key: str) -> str:
    """`https://host:port/v1/` → `host:port`."""
    return (key.partition("://")[2] or key).partition("/")[0]


class CredentialFile:
    """config.json of one configuration directory."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "config.json")
        self._document = self._read()

    def find(self, server: str) -> dict[str, str]:
        """Docker's AuthConfig for a registry; empty when there is none. Raises SampanError."""
        key = key_of(server)
        helper = self._helper(key)
        if helper:
            found = credential_helper.get(helper, key)
            return auth_config(key, *found) if found else {}
        entry = self._entry(key)
        if entry is None:
            return {}
        if not entry.get("auth") and not entry.get("identitytoken") and not entry.get("registrytoken"):
            found = keyring_get(key)
            return auth_config(key, *found) if found else {}
        return from_entry(key, entry)

    def store(self, server: str, user: str, secret: str, *, is_token: bool) -> str:
        """Keep credentials; the path of the file if they now stand in it in plain text, else "". Raises SampanError."""
        key = key_of(server)
        helper = self._helper(key) or (credential_helper.detect() if "auths" not in self._document else "")
        auths = self._auths()
        plain = False
        if helper:
            credential_helper.store(helper, key, credential_helper.TOKEN_USER if is_token else user, secret)
            if not self._helper(key):
                self._document["credsStore"] = helper
            auths[key] = {}
        elif keyring_set(key, credential_helper.TOKEN_USER if is_token else user, secret):
            auths[key] = {}
        else:
            packed = base64.b64encode(f"{user}:{'' if is_token else secret}".encode()).decode()
            auths[key] = {"auth": packed, **({"identitytoken": secret} if is_token else {})}
            plain = True
        self._write()
        return self.path if plain else ""

    def erase(self, server: str) -> bool:
        """Forget a registry's credentials; whether there were any. Raises SampanError."""
        key = key_of(server)
        helper = self._helper(key)
        if helper:
            credential_helper.erase(helper, key)
        known = [each for each in self._auths() if each == key or host_of(each) == host_of(key)]
        for each in known:
            del self._auths()[each]
        removed = keyring_delete(key) or bool(known) or bool(helper)
        if known:
            self._write()
        return removed

    def _helper(self, key: str) -> str:
        helpers = self._document.get("credHelpers") or {}
        return str(helpers.get(host_of(key)) or helpers.get(key) or self._document.get("credsStore") or "")

    def _entry(self, key: str) -> dict[str, Any] | None:
        auths = self._auths()
        if key in auths:
            return auths[key] or {}
        return next((value or {} for each, value in auths.items() if host_of(each) == host_of(key)), None)

    def _auths(self) -> dict[str, Any]:
        auths = self._document.setdefault("auths", {})
        if not isinstance(auths, dict):
            raise InvalidRequest(f"{self.path}: auths is no object")
        return auths

    def _read(self) -> dict[str, Any]:
        try:
            with open(self.path, encoding="utf-8") as file:
                document = json.load(file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"WARNING: Error loading config file: {self.path}: {error}") from None
        if not isinstance(document, dict):
            raise InvalidRequest(f"{self.path}: a JSON object is expected")
        return document

    def _write(self) -> None:
        """Replace the file, readable by its owner alone, all of it or not at all; a link stays one."""
        target = os.path.realpath(self.path)
        directory = os.path.dirname(target)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            file, temporary = tempfile.mkstemp(prefix="config.json", dir=directory)
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(self._document, stream, indent="\t", ensure_ascii=False)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, target)
        except OSError as error:
            raise SampanError(f"could not write {self.path}: {error.strerror}") from None


def auth_config(key: str, user: str, secret: str) -> dict[str, str]:
    """Docker's AuthConfig of what a helper keeps."""
    if user == credential_helper.TOKEN_USER:
        return {"identitytoken": secret, "serveraddress": key}
    return {"username": user, "password": secret, "serveraddress": key}


def from_entry(key: str, entry: dict[str, Any]) -> dict[str, str]:
    """Docker's AuthConfig of an entry of `auths`. Raises InvalidRequest."""
    try:
        user, _, secret = base64.b64decode(str(entry.get("auth", "")), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidRequest(f"the credentials for {key} in the configuration file are damaged") from None
    found = {"username": user, "password": secret.rstrip("\0"), "serveraddress": key}
    for name in ("identitytoken", "registrytoken"):
        if entry.get(name):
            found[name] = str(entry[name])
            found.pop("password", None)
    return {name: value for name, value in found.items() if value}


def header(directory: str, domain: str) -> str:
    """The value of `X-Registry-Auth` for a registry. Raises SampanError."""
    return encode(CredentialFile(directory).find(domain))


def encode(auth: dict[str, str]) -> str:
    """An AuthConfig as `X-Registry-Auth` has it."""
    return base64.urlsafe_b64encode(json.dumps(auth).encode()).decode() if auth else EMPTY_HEADER


def _keyring() -> Any:
    """The keyring of this system, if the `keyring` package is installed and has found one that keeps secrets."""
    try:
        import keyring  # an optional package: sampan[keyring]

        backend = keyring.get_keyring()
        return backend if backend.priority >= 1 else None
    except Exception:  # a keyring that cannot be asked is none
        return None


def keyring_get(key: str) -> tuple[str, str] | None:
    """(user name, secret) for a registry from the system's keyring."""
    backend = _keyring()
    packed = backend.get_password(SERVICE + key, "login") if backend else None
    if not packed:
        return None
    user, _, secret = str(packed).partition("\n")
    return user, secret


def keyring_set(key: str, user: str, secret: str) -> bool:
    """Keep a secret in the system's keyring; whether there is one."""
    backend = _keyring()
    if backend is None:
        return False
    backend.set_password(SERVICE + key, "login", f"{user}\n{secret}")
    return True


def keyring_delete(key: str) -> bool:
    """Have the system's keyring forget; whether it knew."""
    backend = _keyring()
    if backend is None or not backend.get_password(SERVICE + key, "login"):
        return False
    backend.delete_password(SERVICE + key, "login")
    return True
