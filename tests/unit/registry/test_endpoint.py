"""Which server is asked, and whether TLS may be done without."""

import pytest

from sampan.registry.endpoint import endpoints, is_insecure
from sampan.registry.settings import HostSettings, Settings


def bases(domain: str, settings: Settings | None = None, *, mirrors: bool = True) -> list[tuple[str, ...]]:
    return [each.bases for each in endpoints(domain, settings or Settings(), mirrors=mirrors)]


def test_docker_hub_has_another_name() -> None:
    assert bases("docker.io") == [("https://registry-1.docker.io",)]


def test_others_are_who_they_are() -> None:
    assert bases("ghcr.io") == [("https://ghcr.io",)]
    assert bases("r.lan:5000") == [("https://r.lan:5000",)]


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"])
def test_loopback_may_do_without_tls(host: str) -> None:
    [endpoint] = endpoints(host, Settings())
    assert endpoint.bases == (f"https://{host}", f"http://{host}")
    assert not endpoint.verify


@pytest.mark.parametrize(
    "host", ["localhost.evil.example", "127.0.0.1.evil.example", "128.0.0.1", "10.0.0.1:5000", "[::2]"]
)
def test_nobody_else_may(host: str) -> None:
    """D04: CVE-2019-10214, CVE-2018-12608."""
    assert bases(host) == [(f"https://{host}",)]
    assert endpoints(host, Settings())[0].verify


@pytest.mark.parametrize(
    ("listed", "host", "insecure"),
    [
        ("r.lan:5000", "r.lan:5000", True), ("r.lan:5000", "r.lan:5001", False), ("r.lan", "r.lan:5000", True),
        ("10.0.0.0/8", "10.1.2.3:5000", True), ("10.0.0.0/8", "11.1.2.3:5000", False),
        ("10.0.0.0/8", "nowhere.invalid", False),
        ("nonsense/8", "10.1.2.3", False), ("fd00::/8", "[fd00::5]:443", True), ("fd00::/8", "10.0.0.1", False),
    ],
)  # fmt: skip
def test_what_is_listed_is_insecure(listed: str, host: str, insecure: bool) -> None:
    assert is_insecure(host, Settings(insecure=(listed,))) is insecure


def test_the_table_can_say_so_too() -> None:
    assert is_insecure("r.lan", Settings(hosts={"r.lan": HostSettings(insecure=True)}))


def test_mirrors_come_first_and_only_for_pulls() -> None:
    settings = Settings(
        mirrors=("https://hub-mirror.lan",), hosts={"ghcr.io": HostSettings(mirrors=("http://127.0.0.1:5000",))}
    )
    assert bases("docker.io", settings) == [("https://hub-mirror.lan",), ("https://registry-1.docker.io",)]
    assert bases("ghcr.io", settings) == [("http://127.0.0.1:5000",), ("https://ghcr.io",)]
    assert bases("quay.io", settings) == [("https://quay.io",)]
    assert bases("docker.io", settings, mirrors=False) == [("https://registry-1.docker.io",)]
    assert [each.is_mirror for each in endpoints("docker.io", settings)] == [True, False]
