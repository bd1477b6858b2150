"""How are ports shown in a list?"""

import pytest

from sampan.cli.ports import displayed


def port(private: int, public: int = 0, address: str = "", kind: str = "tcp") -> dict[str, object]:
    """One port as /containers/json has it."""
    found: dict[str, object] = {"PrivatePort": private, "Type": kind}
    return {**found, "PublicPort": public, "IP": address} if public else found


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([], ""),
        ([port(80)], "80/tcp"),
        ([port(80), port(81), port(443)], "80-81/tcp, 443/tcp"),
        ([port(53, kind="udp"), port(53)], "53/tcp, 53/udp"),
        ([port(80, 8080, "0.0.0.0")], "0.0.0.0:8080->80/tcp"),
        ([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        ([port(80, 80, "0.0.0.0"), port(81, 81, "0.0.0.0")], "0.0.0.0:80-81->80-81/tcp"),
        (
            [port(82), port(80, 80, "0.0.0.0"), port(81, 8081, "1.2.3.4")],
            "0.0.0.0:80->80/tcp, 82/tcp, 1.2.3.4:8081->81/tcp",
        ),
    ],
)
def test_ports(ports: list[dict[str, object]], text: str) -> None:
    assert displayed(ports) == text
