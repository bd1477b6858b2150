"""The create body, taken apart."""

import pytest

from sampan.errors import InvalidRequest
from sampan.wire.bodies import encode
from sampan.wire.containers import EndpointSettings, HostConfig, PortBinding, decode_create, stored

# As the docker CLI 28 sends it, shortened.
FROM_CLI = b"""{"Hostname":"","AttachStdout":true,"Env":null,"Cmd":["true"],"Image":"busybox","Volumes":{"v:/x":{}},
"Entrypoint":null,"OnBuild":null,"Labels":{},"HostConfig":{"NetworkMode":"default","PortBindings":{"80/tcp":
[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"MemorySwappiness":-1,
"ConsoleSize":[24,80],"LogConfig":{"Type":"","Config":{}}},"NetworkingConfig":{"EndpointsConfig":{"default":{}}}}"""


def test_the_three_parts_are_told_apart() -> None:
    body = decode_create(FROM_CLI)
    assert body.config.image == "busybox"
    assert body.config.volumes == {"v:/x": {}}
    assert body.host_config.memory_swappiness == -1
    assert body.host_config.console_size == (24, 80)
    assert body.host_config.port_bindings == {"80/tcp": [PortBinding(host_port="8080")]}
    assert body.networking_config.endpoints_config == {"default": EndpointSettings()}


def test_parts_may_be_missing() -> None:
    body = decode_create(b'{"image":"a","hostconfig":null}')
    assert body.host_config == HostConfig()
    assert body.networking_config.endpoints_config is None


@pytest.mark.parametrize("nothing", [b"null", b"{}"])
def test_an_empty_body_is_refused_in_dockerds_words(nothing: bytes) -> None:
    with pytest.raises(InvalidRequest, match="config cannot be empty in order to create a container"):
        decode_create(nothing)


def test_a_row_is_read_back() -> None:
    host = decode_create(FROM_CLI).host_config
    assert stored(encode(host), HostConfig) == host
