"""Whose credentials are sent, and to whom?

A client sends them with the request that needs them (`X-Registry-Auth`: base64url of Docker's AuthConfig); the engine
keeps none. They are good for one registry: the one whose image is asked for. `serveraddress`, if given, must agree.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from sampan.errors import InvalidRequest
from sampan.oci.fields import Fields
from sampan.oci.reference import DEFAULT_DOMAIN
from sampan.oci.strict import decode
from sampan.registry.endpoint import HUB_NAMES

MAX_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves who asks; all empty is anonymous. Secrets are never shown."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server: str = ""

    @property
    def are_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.username or self.identity_token or self.registry_token)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` field (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


ANONYMOUS = Credentials()


def decode_header(value: str) -> Credentials:
    """The credentials in `X-Registry-Auth`. Raises InvalidRequest."""
    if not value:
        return ANONYMOUS
    if len(value) > MAX_BYTES:
        raise InvalidRequest("invalid X-Registry-Auth header: it is too large")
    text = value.replace("+", "-").replace("/", "_")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        document = decode(data, what="X-Registry-Auth header", max_bytes=MAX_BYTES) if data.strip() else None
        return from_fields(Fields({} if document is None else document, "X-Registry-Auth header"))
    except (ValueError, InvalidRequest) as error:  # binascii's errors are ValueErrors
        raise InvalidRequest(f"invalid X-Registry-Auth header: {error}") from None


def decode_config_header(value: str) -> dict[str, Credentials]:
    """The credentials in `X-Registry-Config`, by the address of their registry (a build may ask several).

    Raises InvalidRequest.
    """
    if not value:
        return {}
    if len(value) > MAX_BYTES:
        raise InvalidRequest("invalid X-Registry-Config header: it is too large")
    text = value.replace("+", "-").replace("/", "_")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        document = decode(data, what="X-Registry-Config header", max_bytes=MAX_BYTES) if data.strip() else {}
        if not isinstance(document, dict):
            raise InvalidRequest("it is no object")
        return {
            address_of(server): from_fields(Fields(each or {}, "X-Registry-Config header"))
            for server, each in document.items()
        }
    except (binascii.Error, InvalidRequest) as error:
        raise InvalidRequest(f"invalid X-Registry-Config header: {error}") from None


def for_domain(known: Mapping[str, Credentials], domain: str) -> Credentials:
    """Those of them that are for a registry; anonymous if there are none."""
    names = (*HUB_NAMES, DEFAULT_DOMAIN) if domain == DEFAULT_DOMAIN else (domain,)
    return next((known[name] for name in names if name in known), ANONYMOUS)


def from_fields(fields: Fields) -> Credentials:
    """Docker's AuthConfig. Raises InvalidRequest."""
    username, password = fields.text("username"), fields.text("password")
    packed = fields.text("auth")
    if packed and not username:
        try:
            username, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise fields.error("auth", "is not base64 of NAME:PASSWORD") from None
    return Credentials(
        username,
        password.rstrip("\0"),
        fields.text("identitytoken"),
        fields.text("registrytoken"),
        fields.text("serveraddress"),
    )


def for_registry(credentials: Credentials, domain: str) -> Credentials:
    """The credentials, if they are for the registry `domain`. Raises InvalidRequest when they say another."""
    if credentials.are_empty or not credentials.server:
        return credentials
    server = address_of(credentials.server)
    if server == domain or (server in HUB_NAMES and domain == DEFAULT_DOMAIN):
        return credentials
    raise InvalidRequest(f"the credentials are for {server}: they are not sent to {domain}")


def address_of(server: str) -> str:
    """`https://index.docker.io/v1/` → `index.docker.io`: the host and port of a server address."""
    return server.partition("://")[2].partition("/")[0] if "://" in server else server.partition("/")[0]
