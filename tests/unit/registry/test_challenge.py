"""RFC 9110 challenges: commas that end a parameter, and commas that end a challenge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.registry.challenge import MAX_CHALLENGES, parse_challenges

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def render(scheme: str, parameters: dict[str, str], gap: str) -> str:
    """A challenge as RFC 9110 writes it."""
    quoted = (name + '="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for name, value in parameters.items())
    return f"{scheme} {gap.join(quoted)}".strip()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push"',
            [("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io",
                         "scope": "repository:a:pull,push"})],
        ),
        ('Basic realm="a, b", Bearer realm=x', [("basic", {"realm": "a, b"}), ("bearer", {"realm": "x"})]),
        ("Negotiate", [("negotiate", {})]),
        ("Negotiate dG9rZW4=, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (',, Basic  realm = "a\\"b" ,', [("basic", {"realm": 'a"b'})]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ('realm="no scheme"', []),
        ("", []),
        ("=", []),
        ('Bearer realm="never ends', [("bearer", {})]),
    ],
)  # fmt: skip
def test_challenges_are_read(value: str, found: list[tuple[str, dict[str, str]]]) -> None:
    read = [(each.scheme, dict(each.parameters)) for each in parse_challenges([value])]
    assert read == found


@given(st.lists(st.tuples(TOKENS, st.dictionaries(TOKENS, VALUES, min_size=1, max_size=4)), max_size=5),
       st.sampled_from([",", ", ", " , ", ",\t"]))  # fmt: skip
def test_what_was_written_is_read_again(challenges: list[tuple[str, dict[str, str]]], gap: str) -> None:
    value = gap.join(render(scheme, parameters, gap) for scheme, parameters in challenges)
    assert [(each.scheme, dict(each.parameters)) for each in parse_challenges([value])] == challenges


@given(st.lists(st.text(max_size=200), max_size=4))
def test_anything_at_all_is_survived(values: list[str]) -> None:
    assert len(parse_challenges(values)) <= MAX_CHALLENGES


def test_a_flood_is_bounded() -> None:
    assert len(parse_challenges(["Basic realm=a, " * 1000])) == MAX_CHALLENGES
    assert parse_challenges(["Basic " + "a=b," * 10_000]) == []
