"""Is a port of the host given to one at a time, and kept from everybody else?"""

import socket

import pytest

from sampan.networks.model import PublishedPort
from sampan.networks.ports import CannotPublish, Ports

LOCAL = "127.0.0.1"


def wanted(port: int = 0, end: int = 0, ip: str = LOCAL, protocol: str = "tcp") -> PublishedPort:
    return PublishedPort(container_port=80, host_ip=ip, host_port=port, host_port_end=end, protocol=protocol)


def test_a_port_is_held_until_it_is_released() -> None:
    ports = Ports()
    (granted,) = ports.grant([wanted()])
    with pytest.raises(CannotPublish, match=rf"^Bind for 127.0.0.1:{granted.host_port} failed: port is already alloc"):
        ports.grant([wanted(granted.host_port)])
    assert ports.grant([wanted(granted.host_port, protocol="udp")])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind((LOCAL, granted.host_port))
            other.listen()
    ports.release([granted])
    ports.release([granted])
    with socket.socket() as other:
        other.bind((LOCAL, granted.host_port))


def test_a_program_of_the_host_was_there_first() -> None:
    with socket.socket() as other:
        other.bind((LOCAL, 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = Ports()
        with pytest.raises(CannotPublish, match="address already in use"):
            ports.grant([wanted(), wanted(taken)])
        assert not ports._held, "what had been granted before the failure is given back"
        (granted,) = ports.grant([wanted(taken, taken + 5)])
        assert taken < granted.host_port <= taken + 5


def test_without_an_address_both_families_get_the_same_port() -> None:
    granted = Ports().grant([wanted(ip="")])
    assert {port.host_port for port in granted} == {granted[0].host_port}
    assert [port.host_ip for port in granted] in (["0.0.0.0", "::"], ["0.0.0.0"])
    assert [port.host_ip for port in Ports().grant([wanted(ip="")], LOCAL)] == [LOCAL]


def test_every_address_includes_one_and_one_excludes_every() -> None:
    ports = Ports()
    (granted,) = ports.grant([wanted(ip="0.0.0.0")])
    with pytest.raises(CannotPublish, match="already allocated"):
        ports.grant([wanted(granted.host_port)])
    (second,) = ports.grant([wanted()])
    with pytest.raises(CannotPublish, match="already allocated"):
        ports.grant([wanted(second.host_port, ip="0.0.0.0")])


def test_an_address_of_somebody_else_cannot_be_published_on() -> None:
    with pytest.raises(CannotPublish, match="cannot assign requested address"):
        Ports().grant([wanted(8080, ip="192.0.2.1")])
