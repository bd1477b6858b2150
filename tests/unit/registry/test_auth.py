"""The token protocol, without a network: what is asked, of whom, and with which secrets."""

import json

import pytest

from sampan.errors import Forbidden, InvalidRequest, SampanError
from sampan.registry.auth import (
    MAX_TOKENS,
    Grant,
    NoCredentials,
    TokenAnswer,
    TokenRequest,
    Tokens,
    Unauthorized,
    authorize,
    may_have_credentials,
)
from sampan.registry.challenge import Challenge
from sampan.registry.credentials import ANONYMOUS, Credentials

ORIGIN = "https://registry.example.com:443"
ME = Credentials("me", "secret")
SCOPE = ["repository:a:pull"]


def bearer(realm: str, **parameters: str) -> list[Challenge]:
    return [Challenge("bearer", {"realm": realm, "service": "srv", **parameters})]


def ask(challenges: list[Challenge], credentials: Credentials = ME, **options: object) -> TokenRequest:
    """The request that the flow makes."""
    return next(authorize(ORIGIN, challenges, credentials, SCOPE, **options))  # type: ignore[arg-type]


def finish(answer: TokenAnswer, credentials: Credentials = ME) -> Grant:
    """What comes of an answer."""
    flow = authorize(ORIGIN, bearer("https://auth.example.com/token"), credentials, SCOPE)
    next(flow)
    with pytest.raises(StopIteration) as ended:
        flow.send(answer)
    grant: Grant = ended.value.value
    return grant


def test_basic_needs_no_request() -> None:
    with pytest.raises(StopIteration) as ended:
        next(authorize(ORIGIN, [Challenge("basic", {})], ME, SCOPE))
    assert ended.value.value.value == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize(
    ("challenges", "sentence"),
    [
        ([Challenge("basic", {})], "no basic auth credentials"),
        ([], "unauthorized: authentication required"),
        ([Challenge("negotiate", {})], "unknown kind of credentials: negotiate"),
    ],
)
def test_without_credentials_the_door_is_shut(challenges: list[Challenge], sentence: str) -> None:
    with pytest.raises((Unauthorized, NoCredentials), match=sentence):
        next(authorize(ORIGIN, challenges, ANONYMOUS, SCOPE))


def test_a_token_is_asked_for_with_service_scope_and_name() -> None:
    request = ask(bearer("https://auth.example.com/token?x=1", scope="repository:b:pull"))
    assert request.url == (
        "https://auth.example.com/token?x=1&service=srv&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull&account=me"
    )
    assert (request.authorization, request.form) == (ME.basic, None)


def test_anonymous_asks_without_credentials() -> None:
    assert ask(bearer("https://elsewhere.example/token"), ANONYMOUS).authorization == ""


def test_an_identity_token_is_posted() -> None:
    request = ask(bearer("https://registry.example.com/token"), Credentials(identity_token="refresh"))
    assert request.form is not None
    assert (request.form["grant_type"], request.form["refresh_token"]) == ("refresh_token", "refresh")
    assert "refresh" not in request.url


def test_a_registry_token_is_used_as_it_is() -> None:
    with pytest.raises(StopIteration) as ended:
        next(authorize(ORIGIN, bearer("http://nonsense"), Credentials(registry_token="t"), SCOPE))
    assert ended.value.value.value == "Bearer t"


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_becomes_a_grant(name: str) -> None:
    grant = finish(TokenAnswer(200, json.dumps({name: "abc", "expires_in": 300}).encode()))
    assert grant.value == "Bearer abc"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (TokenAnswer(401, b""), Unauthorized),
        (TokenAnswer(200, b"{}"), Unauthorized),
        (TokenAnswer(200, b'{"token": "a\\r\\nHost: evil"}'), Unauthorized),
        (TokenAnswer(200, b"not json"), InvalidRequest),
        (TokenAnswer(200, b'{"token": 5}'), InvalidRequest),
        (TokenAnswer(418, b""), SampanError),
    ],
)
def test_a_bad_answer_is_refused(answer: TokenAnswer, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        finish(answer)


@pytest.mark.parametrize(
    "realm",
    [
        "https://evil.example/token", "https://registry.example.com.evil.net/t", "https://example.org/t",
        "https://169.254.169.254/latest", "https://127.0.0.1/t", "https://10.0.0.1/t",
    ],
)  # fmt: skip
def test_credentials_do_not_go_to_another_site(realm: str) -> None:
    """D03: CVE-2026-48978, CVE-2026-33540."""
    with pytest.raises(Forbidden, match="another site: refused"):
        ask(bearer(realm))


@pytest.mark.parametrize(
    "realm", ["http://registry.example.com/t", "http://auth.example.com/t", "http://169.254.169.254/"]
)
@pytest.mark.parametrize("credentials", [ME, ANONYMOUS])
def test_a_token_server_without_tls_is_not_asked(realm: str, credentials: Credentials) -> None:
    """D03: not even anonymously, unless the registry itself is spoken to that way."""
    with pytest.raises(Forbidden, match="without TLS"):
        ask(bearer(realm), credentials)


@pytest.mark.parametrize(
    "realm", ["", "ftp://a/", "https://", "/token", "https://u:p@registry.example.com/", "https://a:b:c/"]
)
def test_what_is_no_url_is_no_realm(realm: str) -> None:
    with pytest.raises(InvalidRequest, match="no URL"):
        ask(bearer(realm))


@pytest.mark.parametrize(
    ("origin", "realm", "may"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://ghcr.io", "https://ghcr.io/token", True),
        ("https://registry.example.com:5000", "https://registry.example.com/token", True),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token", True),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", False),
        ("https://127.0.0.1:5000", "https://127.0.0.1:5001/token", False),
        ("https://localhost:5000", "https://localhost:5001/token", False),
        ("https://a.azurecr.io", "https://b.azurecr.io/token", False),
        ("https://a.co.uk", "https://b.co.uk/token", False),
        ("https://x.a.co.uk", "https://y.a.co.uk/token", True),
        ("https://com", "https://x.com/token", False),
    ],
)
def test_who_may_have_credentials(origin: str, realm: str, may: bool) -> None:
    assert may_have_credentials(realm, origin, ()) is may


def test_what_the_configuration_lists_may_have_them() -> None:
    realm = "https://login.example.net/token"
    assert ask(bearer(realm), trusted_realms=["https://login.example.net"]).authorization == ME.basic


def test_grants_are_bound_to_their_origin_and_scopes() -> None:
    tokens = Tokens()
    tokens.put("https://a:443", ["s"], Grant("Bearer x"))
    assert tokens.get("https://a:443", ["s"]) == "Bearer x"
    assert tokens.get("https://b:443", ["s"]) == tokens.get("https://a:443", ["t"]) == ""
    tokens.put("https://a:443", ["old"], Grant("Bearer y", until=0.0))
    assert tokens.get("https://a:443", ["old"]) == ""
    tokens.forget("https://a:443", ["s"])
    assert tokens.get("https://a:443", ["s"]) == ""


def test_grants_do_not_pile_up() -> None:
    tokens = Tokens()
    for number in range(MAX_TOKENS * 2):
        tokens.put("https://a:443", [str(number)], Grant("Bearer x"))
    assert tokens.get("https://a:443", ["0"]) == ""
    assert tokens.get("https://a:443", [str(MAX_TOKENS * 2 - 1)]) == "Bearer x"


def test_secrets_are_not_shown() -> None:
    """D10: whatever ends in a log by mistake has none in it."""
    shown = repr([ME, Credentials(identity_token="secret", registry_token="secret"), Grant("Bearer secret")])
    shown += repr([TokenRequest("u", "Basic secret", {"refresh_token": "secret"}), TokenAnswer(200, b"secret")])
    assert "secret" not in shown
