"""X-Registry-Auth, and for whom its contents are good."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.registry.credentials import ANONYMOUS, Credentials, address_of, decode_header, for_registry


def header(**members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).decode()


@pytest.mark.parametrize("value", ["", "e30=", "e30", base64.b64encode(b"null").decode()])
def test_nothing_is_anonymous(value: str) -> None:
    assert decode_header(value) == ANONYMOUS
    assert decode_header(value).are_empty


def test_what_docker_sends_is_read() -> None:
    assert decode_header(header(username="a", password="b", serveraddress="r.lan")) == Credentials(
        "a", "b", server="r.lan"
    )
    packed = base64.b64encode(b"a:b:c").decode()
    assert decode_header(header(auth=packed)) == Credentials("a", "b:c")
    assert decode_header(header(identitytoken="t")).identity_token == "t"
    assert decode_header(header(username="a", password="?" * 9).rstrip("=")).username == "a"


@given(st.text(max_size=60))
def test_anything_else_is_refused_by_name(value: str) -> None:
    try:
        decode_header(value)
    except InvalidRequest as error:
        assert str(error).startswith("invalid X-Registry-Auth header")


@pytest.mark.parametrize(
    "value", ["!", header(username=5), header(auth="%"), "A" * (65 << 10), base64.b64encode(b"[]").decode()]
)
def test_rubbish_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="invalid X-Registry-Auth header"):
        decode_header(value)


@pytest.mark.parametrize(
    ("server", "domain", "fits"),
    [
        ("https://index.docker.io/v1/", "docker.io", True), ("docker.io", "docker.io", True), ("", "r.lan", True),
        ("r.lan:5000", "r.lan:5000", True), ("https://r.lan:5000/v2/", "r.lan:5000", True),
        ("r.lan", "r.lan:5000", False), ("r.lan", "docker.io", False), ("docker.io", "r.lan", False),
    ],
)  # fmt: skip
def test_credentials_are_for_one_registry(server: str, domain: str, fits: bool) -> None:
    """D10: CVE-2021-41092."""
    mine = Credentials("me", "secret", server=server)
    if fits:
        assert for_registry(mine, domain) is mine
    else:
        with pytest.raises(InvalidRequest, match="not sent to"):
            for_registry(mine, domain)


def test_addresses() -> None:
    assert address_of("https://a:1/v1/") == address_of("a:1/x") == "a:1"
