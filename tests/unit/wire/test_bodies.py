"""Docker's looseness about field names, nulls and lists, and no more than that (G15)."""

import pytest

from sampan.errors import InvalidRequest
from sampan.wire.bodies import decode, encode, to_dict
from sampan.wire.containers import ContainerConfig, HostConfig
from sampan.wire.exec import ExecCreate, ExecStart


def test_names_in_any_case_are_the_same_field() -> None:
    assert decode(b'{"image":"a","WORKINGDIR":"/x"}', ContainerConfig) == ContainerConfig(image="a", working_dir="/x")


def test_one_field_in_two_spellings_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="'Privileged' is given twice"):
        decode(b'{"Privileged":false,"privileged":true}', HostConfig)


def test_letters_that_only_fold_to_ascii_are_no_field() -> None:
    with pytest.raises(InvalidRequest, match="not a field name"):
        decode('{"Lin\u212a\u017f":["a"]}'.encode(), HostConfig)


def test_nested_fields_are_treated_alike() -> None:
    body = decode(b'{"mounts":[{"type":"tmpfs","TARGET":"/t","tmpfsoptions":{"sizebytes":5}}]}', HostConfig)
    assert body.mounts is not None
    assert body.mounts[0].tmpfs_options is not None
    assert body.mounts[0].tmpfs_options.size_bytes == 5


def test_keys_of_maps_keep_their_case() -> None:
    assert decode(b'{"Labels":{"A":"1","a":"2"}}', ContainerConfig).labels == {"A": "1", "a": "2"}


def test_null_means_not_given() -> None:
    assert decode(b'{"Memory":null,"Binds":null,"LogConfig":null,"Init":null}', HostConfig) == HostConfig()
    assert decode(b"null", ExecStart) == decode(b"", ExecStart) == ExecStart()


def test_a_lone_string_is_a_command_of_one_word() -> None:
    assert decode(b'{"Cmd":"true"}', ExecCreate).cmd == ["true"]
    assert decode(b'{"Cmd":["a","b"]}', ExecCreate).cmd == ["a", "b"]


def test_fields_of_versions_to_come_are_passed_over() -> None:
    assert decode(b'{"Image":"a","Teleport":true}', ContainerConfig) == ContainerConfig(image="a")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"Memory":9223372036854775808}', "Memory"),
        (b'{"Memory":"5"}', "Memory"),
        (b'{"Memory":true}', "Memory"),
        (b'{"Memory":1.5}', "Memory"),
        (b'{"BlkioWeight":65536}', "BlkioWeight"),
        (b'{"BlkioWeight":-1}', "BlkioWeight"),
        (b'{"Privileged":1}', "Privileged"),
        (b'{"Privileged":"true"}', "Privileged"),
        (b'{"Binds":[null]}', "Binds"),
        (b'{"Binds":{"a":1}}', "Binds"),
        (b'{"ConsoleSize":[1]}', "ConsoleSize"),
        (b'{"Ulimits":[{"Soft":[]}]}', "Ulimits[0].Soft"),
        (b'{"Mounts":"x"}', "Mounts"),
    ],
)
def test_wrong_types_and_numbers_out_of_range_name_their_field(body: bytes, place: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^invalid JSON: ") as caught:
        decode(body, HostConfig)
    assert place in str(caught.value).replace("[...]", "[0]")


def test_a_list_is_no_body() -> None:
    with pytest.raises(InvalidRequest):
        decode(b"[]", ExecStart)


def test_what_docker_leaves_out_is_left_out() -> None:
    shown = to_dict(HostConfig(init=False))
    assert shown["Init"] is False
    assert "Init" not in to_dict(HostConfig())
    assert "Mounts" not in shown
    assert shown["Binds"] is None
    assert "StopTimeout" not in to_dict(ContainerConfig())
    assert to_dict(ContainerConfig(stop_timeout=0))["StopTimeout"] == 0


def test_fields_come_in_dockerds_order() -> None:
    names = list(to_dict(HostConfig()))
    assert names[:4] == ["Binds", "ContainerIDFile", "LogConfig", "NetworkMode"]
    assert names[-2:] == ["MaskedPaths", "ReadonlyPaths"]


def test_encode_gives_back_what_decode_takes() -> None:
    body = HostConfig(binds=["/a:/b"], memory=5, init=True)
    assert decode(encode(body), HostConfig) == body
