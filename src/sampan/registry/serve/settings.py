"""Which words does `sampan registry serve` understand?"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sampan.errors import InvalidRequest
from sampan.registry.serve.body import SECONDS
from sampan.registry.serve.uploads import Bounds

DEFAULT_ROOT = "/var/lib/sampan/registry"
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A registry as the command line describes it; addresses are (host, port)."""

    address: tuple[str, int]
    metrics_address: tuple[str, int] | None
    data_root: Path
    tls_cert: Path | None
    tls_key: Path | None
    htpasswd: Path | None
    anonymous_pull: bool
    realm: str
    token_realm: str
    token_service: str
    token_issuer: str
    token_key: Path | None
    read_only: bool
    proxy: str
    proxy_user: str
    proxy_password_file: Path | None
    gc_interval: float
    gc_grace: float
    gc_untagged: bool
    bounds: Bounds
    patience: float
    log_level: str


def parse(words: Sequence[str]) -> Settings:
    """The settings. Raises InvalidRequest; `--help` ends the program."""
    asked = _parser().parse_args(list(words))
    if bool(asked.tls_cert) != bool(asked.tls_key):
        raise InvalidRequest("--tls-cert and --tls-key go together")
    if asked.htpasswd and asked.token_realm:
        raise InvalidRequest("choose one: --htpasswd or --token-realm")
    if asked.token_realm and not (asked.token_service and asked.token_issuer and asked.token_key):
        raise InvalidRequest("--token-realm needs --token-service, --token-issuer and --token-key")
    return Settings(
        address=_address(asked.addr),
        metrics_address=_address(asked.metrics_addr) if asked.metrics_addr else None,
        data_root=Path(asked.data_root),
        tls_cert=asked.tls_cert,
        tls_key=asked.tls_key,
        htpasswd=asked.htpasswd,
        anonymous_pull=asked.anonymous_pull,
        realm=asked.realm,
        token_realm=asked.token_realm,
        token_service=asked.token_service,
        token_issuer=asked.token_issuer,
        token_key=asked.token_key,
        read_only=asked.read_only,
        proxy=asked.proxy,
        proxy_user=asked.proxy_user,
        proxy_password_file=asked.proxy_password_file,
        gc_interval=asked.gc_interval,
        gc_grace=asked.gc_grace,
        gc_untagged=asked.gc_untagged,
        bounds=Bounds(asked.uploads, _bytes(asked.upload_size), asked.upload_age),
        patience=asked.patience,
        log_level=asked.log_level.upper(),
    )


class Parser(argparse.ArgumentParser):
    """A parser whose help looks like that of the other commands."""

    def format_help(self) -> str:
        """Usage, one sentence, options."""
        formatter = self._get_formatter()
        formatter.start_section("Options")
        formatter.add_arguments(self._actions)
        formatter.end_section()
        return f"Usage:  {self.prog} [OPTIONS]\n\n{self.description}\n\n{formatter.format_help()}"

    def error(self, message: str) -> NoReturn:
        """Words that are not understood. Raises InvalidRequest."""
        raise InvalidRequest(message)


def usage() -> str:
    """The text of --help."""
    return _parser().format_help()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        "sampan registry serve", description="Serve a registry (OCI distribution-spec 1.1)", allow_abbrev=False
    )
    add = parser.add_argument
    add("--addr", default="127.0.0.1:5000", help="address to listen on, HOST:PORT (default %(default)s)")
    add("--data-root", default=DEFAULT_ROOT, help="where content and rows are kept (default %(default)s)")
    add("--tls-cert", type=Path, help="certificate chain in PEM; with --tls-key the registry speaks HTTPS")
    add("--tls-key", type=Path, help="its private key")
    add("--htpasswd", type=Path, help="file of users and bcrypt hashes (htpasswd -B): only they may come in")
    add("--anonymous-pull", action="store_true", help="with --htpasswd: everybody may pull")
    add("--realm", default="sampan registry", help="what browsers and clients show when they ask for a password")
    add("--token-realm", default="", help="URL of the authorization server that hands out tokens")
    add("--token-service", default="", help="our name there: the audience of its tokens")
    add("--token-issuer", default="", help="its name: the issuer of its tokens")
    add("--token-key", type=Path, help="its public key or certificate in PEM")
    add("--read-only", action="store_true", help="refuse everything that changes something")
    add("--proxy", default="", help="be a pull-through cache of the registry at this URL")
    add("--proxy-user", default="", help="who we are there")
    add("--proxy-password-file", type=Path, help="file with the password")
    add("--gc-interval", type=float, default=900.0, help="seconds between collections (default %(default)s)")
    add("--gc-grace", type=float, default=3600.0, help="seconds that unused content is kept (default %(default)s)")
    add("--gc-untagged", action="store_true", help="collect manifests that nothing leads to")
    add("--uploads", type=int, default=1000, help="how many uploads may be open (default %(default)s)")
    add("--upload-size", default="64g", help="the largest blob: bytes, or with k, m, g, t (default %(default)s)")
    add("--upload-age", type=float, default=86400.0, help="seconds an idle upload is kept (default %(default)s)")
    add(
        "--patience",
        type=float,
        default=SECONDS,
        help="seconds in which 64 KiB of a body must come (default %(default)s)",
    )
    add("--metrics-addr", default="", help="address on which GET /metrics answers Prometheus, HOST:PORT")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default %(default)s)")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidRequest(f"{text!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def _bytes(text: str) -> int:
    number = text.rstrip("bBkKmMgGtT").strip()
    unit = text[len(number) :].lower().removesuffix("b").strip()
    if not (number.isascii() and number.isdigit()) or unit not in UNITS:
        raise InvalidRequest(f"{text!r} is no number of bytes")
    return int(number) * UNITS[unit]
