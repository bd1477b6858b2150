"""How does a 401 become an `Authorization` field?

The token protocol of distribution (docs/spec/auth/token.md, oauth.md) and RFC 7617, as a generator without input or
output: it yields the requests that must be made, is sent their answers, and returns the value of the field.

    401 Basic                      → Basic …, if there are a name and a password
    401 Bearer realm, service      → GET realm?service&scope (with Basic, or anonymous)  → Bearer …
                                   → POST realm, when all there is is an identity token  → Bearer …

A realm is where a registry sends our credentials, so a registry that lies could harvest them (security.md D03): they
are only sent to the registry's own site over https, to its own origin, or to what the configuration lists.
"""

import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlencode, urlsplit

from sampan.errors import Forbidden, InvalidRequest, SampanError
from sampan.oci.fields import Fields
from sampan.oci.strict import decode
from sampan.registry.challenge import Challenge
from sampan.registry.credentials import Credentials
from sampan.registry.endpoint import as_address

CLIENT_ID = "sampan"
TOKEN_BYTES = 1 << 20
TOKEN_SECONDS = 60  # what a token is good for where its server does not say (token.md)
TOKEN_MARGIN = 5
MAX_TOKENS = 64

# Names below which strangers have names of their own: two of those are not one site.
_SHARED = frozenset({
    "azurecr.io", "azurewebsites.net", "cloudfront.net", "compute.amazonaws.com", "amazonaws.com", "github.io",
    "gitlab.io", "herokuapp.com", "ngrok.io", "ngrok.app", "pages.dev", "workers.dev", "googleapis.com", "run.app",
    "web.app", "appspot.com", "digitaloceanspaces.com", "fly.dev", "netlify.app", "vercel.app", "nip.io", "sslip.io",
})  # fmt: skip


class Unauthorized(Forbidden):
    """The registry wants other credentials than those it got."""


class NoCredentials(SampanError):
    """The registry wants credentials, and there are none. Not a 401: docker's CLI would begin to ask for a password."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token server. `form` makes it a POST."""

    url: str
    authorization: str = field(default="", repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the token server said."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """The value of an `Authorization` field and the moment (time.monotonic) until which it is good."""

    value: str = field(repr=False)
    until: float = float("inf")
    refresh_token: str = field(default="", repr=False)


Flow = Generator[TokenRequest, TokenAnswer, Grant]


class Tokens:
    """Grants by what they are good for: an origin and scopes. Bounded; lives as long as one operation."""

    def __init__(self) -> None:
        self._grants: dict[tuple[str, str], Grant] = {}

    def get(self, origin: str, scopes: Iterable[str]) -> str:
        """The field's value for these scopes at this origin; "" when there is none, or it is too old."""
        grant = self._grants.get((origin, _joined(scopes)))
        return grant.value if grant and grant.until > time.monotonic() else ""

    def put(self, origin: str, scopes: Iterable[str], grant: Grant) -> None:
        """Remember a grant; the oldest makes room."""
        while len(self._grants) >= MAX_TOKENS:
            self._grants.pop(next(iter(self._grants)))
        self._grants[origin, _joined(scopes)] = grant

    def forget(self, origin: str, scopes: Iterable[str]) -> None:
        """The grant was refused."""
        self._grants.pop((origin, _joined(scopes)), None)


def authorize(
    origin: str,
    challenges: Iterable[Challenge],
    credentials: Credentials,
    scopes: Iterable[str],
    *,
    trusted_realms: Iterable[str] = (),
    offline: bool = False,
) -> Flow:
    """Get into `origin` (a URL's scheme and authority), which answered with these challenges.

    `offline` asks for an identity token as well. Raises Unauthorized, Forbidden, InvalidRequest.
    """
    known = {challenge.scheme: challenge for challenge in reversed(list(challenges))}
    if "bearer" in known:
        return (yield from _bearer(origin, known["bearer"], credentials, scopes, tuple(trusted_realms), offline))
    if "basic" in known:
        if not credentials.username:
            raise NoCredentials("no basic auth credentials")
        return Grant(credentials.basic)
    if known:
        raise Unauthorized(f"the registry asks for an unknown kind of credentials: {', '.join(sorted(known))[:100]}")
    raise Unauthorized("unauthorized: authentication required")


def _bearer(
    origin: str,
    challenge: Challenge,
    credentials: Credentials,
    scopes: Iterable[str],
    trusted_realms: tuple[str, ...],
    offline: bool,
) -> Flow:
    if credentials.registry_token:
        return Grant(f"Bearer {credentials.registry_token}")
    realm = challenge.parameters.get("realm", "")
    check_realm(realm, origin)
    if not credentials.are_empty and not may_have_credentials(realm, origin, trusted_realms):
        raise Forbidden(
            f"{_host(origin)} asks for credentials to be sent to {_shown(realm)}, which is another site: "
            f"refused. If that is right, list it as one of its token-realms in the configuration"
        )
    wanted = sorted({*scopes, *challenge.parameters.get("scope", "").split()})
    query = {"service": challenge.parameters.get("service", "")}
    if credentials.identity_token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credentials.identity_token,
            "client_id": CLIENT_ID,
            "scope": " ".join(wanted),
            **query,
        }
        answer = yield TokenRequest(realm, form=form)
    else:
        pairs = [(name, value) for name, value in query.items() if value] + [("scope", scope) for scope in wanted]
        if credentials.username:
            pairs.append(("account", credentials.username))
        if offline:
            pairs += [("offline_token", "true"), ("client_id", CLIENT_ID)]
        separator = "&" if urlsplit(realm).query else "?"
        url = realm + (separator + urlencode(pairs) if pairs else "")
        answer = yield TokenRequest(url, credentials.basic if credentials.username else "")
    return _read_token(answer)


def _read_token(answer: TokenAnswer) -> Grant:
    if answer.status in (401, 403):
        raise Unauthorized("unauthorized: incorrect username or password")
    if answer.status != 200:
        raise TokenRefused(f"the registry's token server answered with status {answer.status}")
    fields = Fields(decode(answer.body, what="the token server's answer", max_bytes=TOKEN_BYTES), "the token answer")
    token = fields.text("token") or fields.text("access_token")
    if not token or not token.isascii() or not token.isprintable():
        raise Unauthorized("authorization server did not include a token in the response")
    seconds = max(fields.number("expires_in") or TOKEN_SECONDS, TOKEN_SECONDS)
    return Grant(f"Bearer {token}", time.monotonic() + seconds - TOKEN_MARGIN, fields.text("refresh_token"))


class TokenRefused(SampanError):
    """The token server did not do its work."""


def check_realm(realm: str, origin: str) -> None:
    """Whether a realm may be asked at all, credentials or not. Raises InvalidRequest."""
    parts = _split(realm)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise InvalidRequest(f"{_host(origin)} names a token server that is no URL: {_shown(realm)}")
    if parts.scheme == "http" and origin_of(realm) != origin:
        raise Forbidden(f"{_host(origin)} names a token server without TLS: {_shown(realm)}: refused")


def may_have_credentials(realm: str, origin: str, trusted: Iterable[str]) -> bool:
    """Whether credentials for `origin` may go to `realm`."""
    place = origin_of(realm)
    if place == origin or any(place == origin_of(each) for each in trusted):
        return True
    return place.startswith("https://") and _same_site(_split(realm).hostname or "", _split(origin).hostname or "")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL (RFC 6454), the port always said."""
    parts = _split(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname or ''}:{port}"


def _same_site(one: str, other: str) -> bool:
    if as_address(one) or as_address(other) or "localhost" in (one, other):
        return False  # behind the ports of one address may be anybody
    if one == other:
        return True
    site = _site(one)
    return bool(site) and site == _site(other)


def _site(name: str) -> str:
    """`auth.example.com` → `example.com`: the name that was registered; "" where that cannot be told."""
    labels = name.rstrip(".").lower().split(".")
    for count in range(2, len(labels) + 1):
        candidate = labels[-count:]
        # `co.uk`, `com.au`: two short labels below a country are a registry's own, not a site.
        if ".".join(candidate) in _SHARED or (count == 2 and len(candidate[1]) == 2 and len(candidate[0]) <= 3):
            continue
        return ".".join(candidate)
    return ""


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _host(origin: str) -> str:
    return origin.partition("://")[2]


def _shown(url: str) -> str:
    """A URL as it may be shown: without anything that might be a secret."""
    parts = _split(url)
    return repr(f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200])


def _joined(scopes: Iterable[str]) -> str:
    return " ".join(sorted(scopes))
