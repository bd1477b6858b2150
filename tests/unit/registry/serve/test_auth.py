"""What do tokens and headers of strangers allow?"""

from typing import Any

import pytest

from sampan.registry.serve.auth import allows, credentials, quoted, scope


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        ([{"type": "repository", "name": "a", "actions": ["pull"]}], True),
        ([{"type": "repository", "name": "a", "actions": ["*"]}], True),
        ([{"type": "repository", "name": "a", "actions": ["push"]}], False),
        ([{"type": "repository", "name": "a", "actions": "pull"}], False),
        ([{"type": "repository", "name": "ab", "actions": ["pull"]}], False),
        ([{"type": "registry", "name": "a", "actions": ["pull"]}], False),
        (["a"], False),
        ({"type": "repository"}, False),
        (None, False),
    ],
)
def test_access_is_exact(access: Any, allowed: bool) -> None:
    assert allows({"access": access}, "a", "pull") is allowed


def test_scopes_are_what_clients_ask_for() -> None:
    assert scope("a/b", "pull") == "repository:a/b:pull"
    assert scope("a/b", "push") == "repository:a/b:pull,push"
    assert scope("", "*") == "registry:catalog:*"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic bWU6YTpi", ("me", b"a:b")),
        ("basic bWU6", ("me", b"")),
        ("Basic bWU", ("", b"")),
        ("Basic /w==", ("", b"")),
        ("Bearer bWU6YTpi", ("", b"")),
        ("", ("", b"")),
    ],
)
def test_basic_credentials(header: str, expected: tuple[str, bytes]) -> None:
    assert credentials(header) == expected


def test_a_realm_cannot_end_its_quotes() -> None:
    assert quoted('a" b\\\r\nX: y') == "a bX: y"
