"""The table of registries in daemon.json."""

import pytest

from sampan.errors import InvalidRequest
from sampan.registry.settings import HostSettings, check_mirror, parse_hosts


def test_the_table_is_read() -> None:
    table = {"r.lan": {"mirrors": ["https://m.lan/"], "insecure": True, "token-realms": ["https://t.lan"]}, "a": {}}
    assert parse_hosts(table) == {
        "r.lan": HostSettings(("https://m.lan",), True, ("https://t.lan",)),
        "a": HostSettings(),
    }


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (5, "an object with insecure, mirrors, token-realms is expected"),
        ({"mirror": []}, "an object with"),
        ({"insecure": "yes"}, "insecure is true or false"),
        ({"mirrors": "https://a"}, "mirrors is a list of URLs"),
        ({"mirrors": ["a.lan"]}, "unsupported scheme"),
        ({"token-realms": ["ftp://a"]}, "unsupported scheme"),
    ],
)
def test_a_wrong_table_is_refused(value: object, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        parse_hosts({"r.lan": value})


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://a", 'unsupported scheme "ftp"'),
        ("a.lan", 'unsupported scheme ""'),
        ("https://", "path, query, or fragment"),
        ("https://a/?x", "path, query, or fragment"),
        ("https://me:secret@a", "username/password not allowed"),
    ],
)
def test_a_wrong_mirror_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as caught:
        check_mirror(url)
    assert "secret" not in str(caught.value)
