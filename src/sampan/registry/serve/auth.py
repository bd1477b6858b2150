"""Who may do what in the registry?

    open        everybody everything
    passwords   who is in an htpasswd file (bcrypt only) everything; others nothing, or perhaps pull
    tokens      what a token says that somebody else has signed (Docker's token authentication: JWT with `access`)

Passwords are checked in constant effort also for users that do not exist, few at a time; one that was right is
remembered for a while as a keyed hash, since clients send it with every request.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from sampan.errors import InvalidRequest, NotSupported
from sampan.registry.serve.refusal import Refusal

PULL, PUSH, DELETE, CATALOG = "pull", "push", "delete", "*"
REMEMBERED, REMEMBERED_SECONDS = 1024, 300.0
AT_ONCE = 2
LINES_MAX, FILE_MAX = 10_000, 4 << 20
SIGNED_WITH = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]


class Gate(Protocol):
    """Lets requests through or raises Refusal. `is_open_to_all_who_pass`: who may do one thing may do everything."""

    is_open_to_all_who_pass: bool

    async def check(self, request: web.BaseRequest, name: str, action: str) -> str:
        """The user; `name` is a repository, or "" for the registry itself."""


class Open:
    """No questions asked."""

    is_open_to_all_who_pass = True

    async def check(self, request: web.BaseRequest, name: str, action: str) -> str:
        """Nobody in particular."""
        return ""


class Passwords:
    """An htpasswd file, read again when it changes."""

    is_open_to_all_who_pass = True

    def __init__(self, path: Path, realm: str, *, anonymous_pull: bool = False) -> None:
        self._bcrypt = optional("bcrypt", "htpasswd files")
        self._path = path
        self._challenge = {"WWW-Authenticate": f'Basic realm="{quoted(realm)}"'}
        self._anonymous_pull = anonymous_pull
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._nobody = self._bcrypt.hashpw(secrets.token_hex(16).encode(), self._bcrypt.gensalt(10))
        self._seen: tuple[int, int] = (0, 0)
        self._users: dict[str, bytes] = {}
        self._read()

    async def check(self, request: web.BaseRequest, name: str, action: str) -> str:
        """The user whose password is right."""
        given = request.headers.get("Authorization", "")
        if not given and self._anonymous_pull and action == PULL and name:
            return ""
        user, password = credentials(given)
        if user and await self._is_right(user, password):
            return user
        raise Refusal("UNAUTHORIZED", "authentication required", headers=dict(self._challenge))

    async def _is_right(self, user: str, password: bytes) -> bool:
        if len(password) > 72 or b"\0" in password:
            return False  # bcrypt(3) would cut it off, and take what begins alike for the same
        self._read()
        hashed = self._users.get(user, self._nobody)
        proof = hmac.digest(self._key, b"\0".join((user.encode(), hashed, password)), hashlib.sha256)
        if self._right.get(proof, 0.0) > time.monotonic():
            return True
        async with self._turns:
            right = await asyncio.to_thread(self._bcrypt.checkpw, password, hashed)
        if not right or user not in self._users:
            return False
        self._right[proof] = time.monotonic() + REMEMBERED_SECONDS
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _read(self) -> None:
        status = os.stat(self._path)
        if (status.st_mtime_ns, status.st_size) == self._seen:
            return
        if status.st_size > FILE_MAX:
            raise InvalidRequest(f"{self._path} is too large")
        users = {}
        for line in self._path.read_text("utf-8").splitlines()[:LINES_MAX]:
            user, _, hashed = line.strip().partition(":")
            if not user or user.startswith("#"):
                continue
            if not hashed.startswith(("$2a$", "$2b$", "$2y$")):
                raise InvalidRequest(f"{self._path}: the password of {user!r} is not a bcrypt hash (htpasswd -B)")
            users[user] = hashed.encode()
        self._users, self._seen = users, (status.st_mtime_ns, status.st_size)


class Tokens:
    """Tokens of an authorization server (distribution's token.md): signed by `key_file`, for `service`."""

    is_open_to_all_who_pass = False

    def __init__(self, *, realm: str, service: str, issuer: str, key_file: Path) -> None:
        self._jwt = optional("jwt", "tokens")
        optional("cryptography", "tokens")
        self._realm, self._service, self._issuer = realm, service, issuer
        self._key = public_key(key_file.read_bytes())

    async def check(self, request: web.BaseRequest, name: str, action: str) -> str:
        """The token's subject."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise self._refusal(name, action, "authentication required")
        try:
            claims = self._jwt.decode(
                token.strip(), self._key, algorithms=SIGNED_WITH, audience=self._service, issuer=self._issuer,
                options={"require": ["exp"]},
            )  # fmt: skip
        except self._jwt.PyJWTError as error:
            raise self._refusal(name, action, f"invalid token: {error}", "invalid_token") from None
        if (name or action == CATALOG) and not allows(claims, name, action):
            raise self._refusal(name, action, "the token does not allow that", "insufficient_scope")
        return str(claims.get("sub", ""))

    def _refusal(self, name: str, action: str, sentence: str, error: str = "") -> Refusal:
        challenge = f'Bearer realm="{quoted(self._realm)}",service="{quoted(self._service)}"'
        if name or action == CATALOG:
            challenge += f',scope="{scope(name, action)}"'
        if error:
            challenge += f',error="{error}"'
        return Refusal("UNAUTHORIZED", sentence, headers={"WWW-Authenticate": challenge})


def scope(name: str, action: str) -> str:
    """What a client has to ask its authorization server for."""
    if not name:
        return "registry:catalog:*"
    return f"repository:{name}:{'pull,push' if action == PUSH else action}"


def allows(claims: dict[str, Any], name: str, action: str) -> bool:
    """Whether the `access` of a token covers an action."""
    kind, wanted = ("repository", name) if name else ("registry", "catalog")
    access = claims.get("access")
    return isinstance(access, list) and any(
        isinstance(entry, dict)
        and entry.get("type") == kind
        and entry.get("name") == wanted
        and isinstance(entry.get("actions"), list)
        and (action in entry["actions"] or "*" in entry["actions"])
        for entry in access
    )


def credentials(header: str) -> tuple[str, bytes]:
    """User and password of an `Authorization: Basic` header (RFC 7617); ("", b"") for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return user.decode(), password
    except (binascii.Error, UnicodeDecodeError):
        return "", b""


def public_key(data: bytes) -> Any:
    """The public key in a PEM file, which may also be a certificate. Raises InvalidRequest."""
    serialization = import_module("cryptography.hazmat.primitives.serialization")
    x509 = import_module("cryptography.x509")
    try:
        if b"BEGIN CERTIFICATE" in data:
            return x509.load_pem_x509_certificate(data).public_key()
        return serialization.load_pem_public_key(data)
    except ValueError as error:
        raise InvalidRequest(f"the token key is no public key or certificate in PEM: {error}") from None


def optional(module: str, purpose: str) -> Any:
    """A library that only some registries need. Raises NotSupported."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise NotSupported(f"{purpose} need the {module} library: pip install 'sampan[registry]'") from None


def quoted(text: str) -> str:
    """Text that may stand between quotes in a header."""
    return "".join(character for character in text if character.isprintable() and character not in '"\\')
