"""Does provenance keep to itself what a URL says of users?"""

import pytest

from sampan.builder.provenance import without_credentials


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://me:token@host/a.git#main:dir", "https://host/a.git#main:dir"),
        ("https://host/a.tar?token=x", "https://host/a.tar"),
        ("https://host/a?t=x#main", "https://host/a#main"),
        ("git@host:a/b.git#v1", "host:a/b.git#v1"),
        ("ssh://git:p@ss@host/x", "ssh://host/x"),
        ("https://host/with@sign", "https://host/with@sign"),
    ],
)
def test_a_url_is_told_without_users_and_tokens(url: str, told: str) -> None:
    assert without_credentials(url) == told
