"""Where is the engine? From flags, environment and contexts to one address and its TLS settings.

Order: `-H` or `--context`, SAMPAN_HOST, DOCKER_HOST, SAMPAN_CONTEXT, DOCKER_CONTEXT, then the local default socket.
The `currentContext` of ~/.docker/config.json is left alone on purpose: it says where *docker* goes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from sampan.errors import InvalidRequest, NotFound

SYSTEM_SOCKET = "/run/sampan/sampan.sock"


class Endpoint:
    """An address: `url` as the user would type it; `path` for unix, `host` and `port` for tcp."""

    __slots__ = ("host", "is_default", "path", "port", "tls", "url")

    def __init__(self, url: str, *, tls: Tls | None = None, is_default: bool = False) -> None:
        self.url = url
        self.tls = tls
        self.is_default = is_default
        self.path, self.host, self.port = parse_url(url, 2376 if tls else 2375)


class Tls:
    """Certificates for a tcp endpoint; `verify` is off for plain `--tls`, which only encrypts."""

    __slots__ = ("authority", "certificate", "key", "verify")

    def __init__(self, authority: str, certificate: str, key: str, *, verify: bool) -> None:
        self.authority = authority
        self.certificate = certificate
        self.key = key
        self.verify = verify


def parse_url(url: str, default_port: int) -> tuple[str, str, int]:
    """(unix path, host, port) of a `-H` value; a value without scheme is tcp, as docker takes it."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "tcp", url
    if scheme == "unix" and rest:
        return rest, "", 0
    if scheme in ("tcp", "http", "https") and rest:
        authority = rest.partition("/")[0]
        host, colon, port = authority.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = authority, str(default_port)
        if port.isdigit() and 0 < int(port) < 65536:
            return "", host.strip("[]") or "127.0.0.1", int(port)
    raise InvalidRequest(
        f"unable to parse docker host `{url}`: use unix:///path/to.sock or tcp://host:port "
        "(an engine on another machine: `ssh -L /tmp/engine.sock:/run/sampan/sampan.sock host`, then -H unix:///tmp/engine.sock)"
    )


def default_url(environment: Mapping[str, str], user_id: int) -> str:
    """The local socket: the system's for root, and for others when they have none of their own."""
    runtime_directory = environment.get("XDG_RUNTIME_DIR", "")
    own = f"{runtime_directory}/sampan/sampan.sock"
    if user_id == 0 or not runtime_directory:
        return f"unix://{SYSTEM_SOCKET}"
    if not os.path.exists(own) and os.path.exists(SYSTEM_SOCKET):
        return f"unix://{SYSTEM_SOCKET}"
    return f"unix://{own}"


def resolve(
    environment: Mapping[str, str],
    *,
    host: str = "",
    context: str = "",
    config_directory: str = "",
    tls: bool = False,
    tls_verify: bool = False,
    tls_files: tuple[str, str, str] = ("", "", ""),
) -> Endpoint:
    """The endpoint that flags and environment ask for. `tls_files`: authority, certificate, key; "" for the default."""
    if host and context:
        raise InvalidRequest("conflicting options: cannot specify both --host and --context")
    url = host
    if not url and not context:
        url = environment.get("SAMPAN_HOST") or environment.get("DOCKER_HOST") or ""
    if not url:
        context = context or environment.get("SAMPAN_CONTEXT") or environment.get("DOCKER_CONTEXT") or "default"
        if context != "default":
            return from_context(context, config_directory)
        return Endpoint(default_url(environment, os.geteuid()), is_default=True)
    verify = tls_verify or bool(environment.get("DOCKER_TLS_VERIFY"))
    if url.startswith("unix://") or not (verify or tls or environment.get("DOCKER_TLS")):
        return Endpoint(url)
    directory = environment.get("DOCKER_CERT_PATH") or config_directory
    names = ("ca.pem", "cert.pem", "key.pem")
    authority, certificate, key = (given or f"{directory}/{name}" for given, name in zip(tls_files, names, strict=True))
    return Endpoint(url, tls=Tls(authority, certificate, key, verify=verify))


def from_context(name: str, config_directory: str) -> Endpoint:
    """A context that docker's CLI stored: contexts/meta/SHA256(name)/meta.json and its certificates."""
    import hashlib
    import json

    key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    try:
        with open(f"{config_directory}/contexts/meta/{key}/meta.json", "rb") as file:
            docker = json.load(file)["Endpoints"]["docker"]
        url = str(docker["Host"])
    except FileNotFoundError:
        raise NotFound(
            f'context "{name}": context not found: docker\'s contexts are in {config_directory}/contexts'
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(f'context "{name}" cannot be read: {error}') from None
    certificates = f"{config_directory}/contexts/tls/{key}/docker"
    if not os.path.isdir(certificates):
        return Endpoint(url)
    files = (f"{certificates}/{file}.pem" for file in ("ca", "cert", "key"))
    return Endpoint(url, tls=Tls(*files, verify=not docker.get("SkipTLSVerify")))
