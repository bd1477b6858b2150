"""sampan login and logout: credentials for registries, checked by the engine and kept where docker keeps them."""

from __future__ import annotations

import sys

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.client.credentials import HUB_KEY, CredentialFile, key_of
from sampan.client.engine import Refused

NO_TERMINAL = "Error: Cannot perform an interactive login from a non TTY device"
SECRET_MAX = 1 << 16


def log_in(call: Call) -> int:
    """docker login [SERVER]."""
    server = call.arguments[0] if call.arguments else HUB_KEY
    file = CredentialFile(call.config_directory)
    user, secret = given(call)
    if not user and not secret:
        known = file.find(server)
        if known:
            call.err.line(
                f"Authenticating with existing credentials... [Username: {known.get('username', '')}]\n\n"
                f" Info -> To login with a different account, run '{call.program} logout' followed by "
                f"'{call.program} login'\n\n"
            )
            try:
                call.engine.post("/auth", body=known)
                call.out.line("Login Succeeded")
                return 0
            except Refused as refused:
                call.err.line(f"Stored credentials invalid or expired: {refused.message}")
    user, secret = ask(call, user, secret, server)
    answer = call.engine.post("/auth", body={"username": user, "password": secret, "serveraddress": key_of(server)})
    token = str(answer.get("IdentityToken") or "")
    plain = file.store(server, user, token or secret, is_token=bool(token))
    if plain:
        call.err.line(
            f"\nWARNING! Your credentials are stored unencrypted in '{plain}'.\n"
            "Configure a credential helper to remove this warning. See\n"
            "https://docs.docker.com/go/credential-store/\n"
        )
    call.out.line(str(answer.get("Status") or "Login Succeeded"))
    return 0


def given(call: Call) -> tuple[str, str]:
    """User name and secret from the flags and standard input. Raises Failure."""
    user, secret = call.options["username"], call.options["password"]
    if secret and call.options["password-stdin"]:
        raise Failure("conflicting options: cannot specify both --password and --password-stdin")
    if call.options["password-stdin"]:
        if not user:
            raise Failure("the --password-stdin option requires --username to be set")
        secret = sys.stdin.read(SECRET_MAX).removesuffix("\n").removesuffix("\r")
        if not secret:
            raise Failure("password is empty")
    elif secret:
        call.err.line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
    return user, secret


def ask(call: Call, user: str, secret: str, server: str) -> tuple[str, str]:
    """What is missing, from the terminal; the secret is not shown. Raises Failure."""
    if user and secret:
        return user, secret
    if not sys.stdin.isatty():
        raise Failure(NO_TERMINAL)
    from getpass import getpass

    if not user:
        call.out.write(f"Username for {server}: ")
        call.out.flush()
        user = sys.stdin.readline().strip()
    if not user:
        raise Failure("username is required")
    secret = secret or getpass("Password: ")
    if not secret:
        raise Failure("password is required")
    return user, secret


def log_out(call: Call) -> int:
    """docker logout [SERVER]."""
    server = key_of(call.arguments[0]) if call.arguments else HUB_KEY
    call.out.line(f"Removing login credentials for {server}")
    CredentialFile(call.config_directory).erase(server)
    return 0


COMMAND = Command(
    "[OPTIONS] [SERVER]",
    log_in,
    most=1,
    details="Docker Hub if no server is given. Secrets are kept by a credential helper, in the keyring of the\n"
    "system, or, where there is neither, in docker's config.json.",
    flags=(
        Flag("password", TEXT, "Password or Personal Access Token (PAT)", short="p"),
        Flag("password-stdin", SWITCH, "Take the Password or Personal Access Token (PAT) from stdin"),
        Flag("username", TEXT, "Username", short="u"),
    ),
)
LOGOUT = Command("[SERVER]", log_out, most=1)
