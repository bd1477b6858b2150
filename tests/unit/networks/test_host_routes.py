"""Are the host's routes read as the kernel writes them?"""

from sampan.networks import host_routes


def test_what_is_there_is_understood() -> None:
    everywhere = host_routes.routed()
    assert all(subnet.prefixlen for subnet in everywhere)
    for interface in {name for name, _ in (*host_routes._ipv4(), *host_routes._ipv6())}:
        without = host_routes.routed([interface])
        assert set(without) <= set(everywhere)
