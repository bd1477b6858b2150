"""How does a credential helper keep secrets for us?

docker's protocol: `docker-credential-NAME get|store|erase`, the argument on standard input, JSON on standard output.
The helper is found by PATH, is given an argument list and no shell, and has a limited time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from sampan.errors import SampanError

SECONDS = 60
NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
MISSING = "credentials not found in native keychain"
TOKEN_USER = "<token>"


class HelperFailed(SampanError):
    """The helper did not do what it was asked."""


def get(name: str, server: str) -> tuple[str, str] | None:
    """(user name, secret) that the helper `name` keeps for a server; None when it has none. Raises HelperFailed."""
    try:
        said = json.loads(_call(name, "get", server))
        return str(said["Username"]), str(said["Secret"])
    except HelperFailed as error:
        if MISSING in str(error):
            return None
        raise
    except (ValueError, KeyError, TypeError):
        raise HelperFailed(f"docker-credential-{name} answered with something else than credentials") from None


def store(name: str, server: str, user: str, secret: str) -> None:
    """Give the helper credentials to keep. Raises HelperFailed."""
    _call(name, "store", json.dumps({"ServerURL": server, "Username": user, "Secret": secret}))


def erase(name: str, server: str) -> None:
    """Have the helper forget credentials; no error when it has none. Raises HelperFailed."""
    try:
        _call(name, "erase", server)
    except HelperFailed as error:
        if MISSING not in str(error):
            raise


def detect() -> str:
    """The helper for this machine's own keyring, as docker's CLI chooses it: "pass", "secretservice" or ""."""
    if shutil.which("pass") and shutil.which("docker-credential-pass"):
        return "pass"
    return "secretservice" if shutil.which("docker-credential-secretservice") else ""


def _call(name: str, verb: str, text: str) -> str:
    if not name or not NAME_LETTERS.issuperset(name):
        raise HelperFailed(f"{name!r} cannot be the name of a credential helper")
    program = shutil.which(f"docker-credential-{name}")
    if program is None:
        raise HelperFailed(f'error getting credentials - err: exec: "docker-credential-{name}": not found in $PATH')
    try:
        done = subprocess.run(
            [os.path.abspath(program), verb], input=text, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HelperFailed(f"error getting credentials - err: docker-credential-{name}: {error}") from None
    if done.returncode:
        # docker's helpers say what is wrong on standard output
        raise HelperFailed(
            f"error getting credentials - err: exit status {done.returncode}, out: `{done.stdout.strip()[:500]}`"
        )
    return done.stdout
