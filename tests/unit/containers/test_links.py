"""What does --link give a container? The variables are those that dockerd 20.10 sets."""

import pytest

from sampan.containers.links import environment, parse
from sampan.containers.model import Container
from sampan.errors import InvalidRequest
from sampan.wire.containers import ContainerConfig, HostConfig, PortBinding


def container(name: str, config: ContainerConfig, host: HostConfig | None = None) -> Container:
    return Container(
        id=name * 8, name=name, created_ns=1, image_id="", diff_ids=(), config=config, host=host or HostConfig()
    )


@pytest.mark.parametrize(
    ("text", "pair"),
    [("a", ("a", "a")), ("a:b", ("a", "b")), ("/a:/parent/b", ("a", "b")), ("/a", ("a", "a"))],
)
def test_a_link_names_a_container_and_what_to_call_it(text: str, pair: tuple[str, str]) -> None:
    assert parse(text) == pair


@pytest.mark.parametrize("text", ["", ":b", "a:", "a:b:c", "a:b\n6.6.6.6 evil", "a:b c", "a:\0"])
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(InvalidRequest, match="bad format for links"):
        parse(text)


def test_the_variables_of_a_link() -> None:
    config = ContainerConfig(
        exposed_ports={"81/tcp": {}, "53/udp": {}}, env=["FOO=bar", "PATH=/bin", "HOME=/root", "EMPTY="]
    )
    child = container("child", config, HostConfig(port_bindings={"80/tcp": [PortBinding(host_port="8080")]}))
    assert environment(container("parent", ContainerConfig()), child, "my-db", "172.17.0.2") == [
        "MY_DB_PORT=tcp://172.17.0.2:80",
        "MY_DB_PORT_80_TCP=tcp://172.17.0.2:80",
        "MY_DB_PORT_80_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_80_TCP_PORT=80",
        "MY_DB_PORT_80_TCP_PROTO=tcp",
        "MY_DB_PORT_81_TCP=tcp://172.17.0.2:81",
        "MY_DB_PORT_81_TCP_ADDR=172.17.0.2",
        "MY_DB_PORT_81_TCP_PORT=81",
        "MY_DB_PORT_81_TCP_PROTO=tcp",
        "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
        "MY_DB_PORT_53_UDP_ADDR=172.17.0.2",
        "MY_DB_PORT_53_UDP_PORT=53",
        "MY_DB_PORT_53_UDP_PROTO=udp",
        "MY_DB_NAME=/parent/my-db",
        "MY_DB_ENV_FOO=bar",
        "MY_DB_ENV_EMPTY=",
    ]


def test_a_child_that_exposes_nothing_has_a_name_all_the_same() -> None:
    child = container("child", ContainerConfig())
    assert environment(container("parent", ContainerConfig()), child, "c", "1.2.3.4") == ["C_NAME=/parent/c"]
