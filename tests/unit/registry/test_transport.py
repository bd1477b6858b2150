"""Where a registry may send us."""

import asyncio

import pytest

from sampan.errors import Forbidden
from sampan.registry.settings import Settings
from sampan.registry.transport import OutsideResolver, Transport

HTTPS, LOCAL = "https://registry.example.com:443", "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("origin", "place", "may"),
    [
        (HTTPS, "https://registry.example.com/v2/x", True),
        (HTTPS, "https://cdn.example.net/blob?sig=1", True),
        (HTTPS, "https://10.0.0.5/blob", True),
        (HTTPS, "http://registry.example.com/", False),
        (HTTPS, "http://cdn.example.net/", False),
        (HTTPS, "http://127.0.0.1:5000/", False),
        (HTTPS, "https://127.0.0.1/", False),
        (HTTPS, "https://localhost:8443/", False),
        (HTTPS, "https://[::1]/", False),
        (HTTPS, "https://0.0.0.0/", False),
        (HTTPS, "https://169.254.169.254/latest/meta-data", False),
        (HTTPS, "http://169.254.169.254/latest", False),
        (HTTPS, "https://[fe80::1]/", False),
        (HTTPS, "file:///etc/passwd", False),
        (HTTPS, "ftp://cdn.example.net/", False),
        (HTTPS, "https://me:secret@cdn.example.net/", False),
        (HTTPS, "https:///x", False),
        (LOCAL, "http://127.0.0.1:9000/blob", True),
        (LOCAL, "https://cdn.example.net/", True),
        (LOCAL, "http://cdn.example.net/", False),
        (LOCAL, "http://169.254.169.254/", False),
        (LOCAL, "https://169.254.169.254/", False),
    ],
)
def test_where_a_registry_may_send_us(origin: str, place: str, may: bool) -> None:
    """D08: CVE-2026-33990, CVE-2026-35527."""
    transport = Transport(Settings())
    if may:
        transport.check_elsewhere(place, origin)
    else:
        with pytest.raises(Forbidden) as caught:
            transport.check_elsewhere(place, origin)
        assert "secret" not in str(caught.value)


def test_a_name_for_this_machine_is_not_looked_up_for_strangers() -> None:
    """D08: whatever the name is, its address decides."""

    async def look_up() -> None:
        await OutsideResolver().resolve("localhost", 443)

    with pytest.raises(OSError, match="a name for this machine"):
        asyncio.run(look_up())


def test_an_insecure_registry_may_name_others_that_are_listed() -> None:
    Transport(Settings(insecure=("store.lan:9000",))).check_elsewhere("http://store.lan:9000/x", "http://r.lan:80")
