"""Is every form of -p understood?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.containers import ports
from sampan.errors import InvalidRequest
from sampan.networks.model import PublishedPort
from sampan.wire.containers import ContainerConfig, HostConfig, PortBinding


def published(bindings: dict[str, list[PortBinding] | None], everything: bool = False) -> list[PublishedPort]:
    config = ContainerConfig(exposed_ports={"80/tcp": {}, "53/udp": {}})
    host = HostConfig(port_bindings=bindings, publish_all_ports=everything)
    return list(ports.published(config, host))


def test_the_forms() -> None:
    assert published({"80/tcp": [PortBinding(host_ip="127.0.0.1", host_port="8080")]}) == [
        PublishedPort(container_port=80, host_ip="127.0.0.1", host_port=8080)
    ]
    assert published({"53/udp": None}) == [PublishedPort(container_port=53, protocol="udp")]
    assert published({"80": [PortBinding(host_port="8000-8010")]}) == [
        PublishedPort(container_port=80, host_port=8000, host_port_end=8010)
    ]
    assert published({}, everything=True) == [
        PublishedPort(container_port=80),
        PublishedPort(container_port=53, protocol="udp"),
    ]
    assert published({"80/tcp": [PortBinding(host_port="1")]}, everything=True)[1:] == [
        PublishedPort(container_port=53, protocol="udp")
    ]


@given(st.integers(1, 60000), st.integers(0, 50), st.integers(1, 60000))
def test_a_range_goes_onto_a_range_one_to_one(first: int, length: int, host: int) -> None:
    found = published({f"{first}-{first + length}/tcp": [PortBinding(host_port=f"{host}-{host + length}")]})
    assert [(port.container_port, port.host_port, port.host_port_end) for port in found] == [
        (first + step, host + step, 0) for step in range(length + 1)
    ]


@pytest.mark.parametrize("text", ["", "x", "70000", "10-5", "80/icmp", "80/tcp/udp", "-80"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^invalid port specification: "):
        ports.parse(text)


def test_an_address_must_be_one() -> None:
    with pytest.raises(InvalidRequest, match=r"^invalid IP address: x$"):
        published({"80/tcp": [PortBinding(host_ip="x")]})
