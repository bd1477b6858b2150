"""HTTP_PROXY and NO_PROXY by the rules of Go's httpproxy."""

import pytest

from sampan.registry.proxy import environment_proxies, proxy_for


@pytest.mark.parametrize(
    ("no_proxy", "url", "proxied"),
    [
        ("", "https://r.example", True),
        ("r.example", "https://r.example", False),
        ("r.example", "https://a.r.example:5000/v2/", False),
        (".r.example", "https://r.example", True),
        (".r.example", "https://a.r.example", False),
        ("example", "https://notexample", True),
        ("r.example:5000", "https://r.example", True),
        ("r.example:443", "https://r.example", False),
        ("a, R.Example ,b", "https://r.example", False),
        ("*", "https://r.example", False),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3:5000", False),
        ("nonsense/99", "https://10.1.2.3", True),
        ("", "http://127.0.0.1:5000", False),
        ("", "https://localhost", False),
        ("", "https://[::1]:5000", False),
    ],
)
def test_no_proxy(no_proxy: str, url: str, proxied: bool) -> None:
    found = proxy_for(url, http_proxy="http://p:1", https_proxy="http://p:2", no_proxy=no_proxy)
    assert bool(found) is proxied


def test_the_scheme_chooses() -> None:
    assert proxy_for("https://r", http_proxy="http://a", https_proxy="b:3128", no_proxy="") == "http://b:3128"
    assert proxy_for("http://r", http_proxy="http://a", https_proxy="", no_proxy="") == "http://a"
    assert proxy_for("https://r", http_proxy="http://a", https_proxy="", no_proxy="") == ""


def test_the_environment_is_read() -> None:
    found = environment_proxies({"HTTP_PROXY": "a", "http_proxy": "b", "no_proxy": "c"})
    assert found == {"http_proxy": "a", "https_proxy": "", "no_proxy": "c"}
