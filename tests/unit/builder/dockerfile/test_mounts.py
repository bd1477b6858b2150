"""What does --mount ask for? Unknown words are refused, never passed over (security catalogue E04, E06, E07)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.builder.dockerfile.mounts import parse_mount
from sampan.errors import InvalidRequest


def test_defaults_are_those_of_each_type() -> None:
    bind = parse_mount("target=/x,source=a,from=stage")
    assert (bind.kind, bind.readonly, bind.source, bind.from_) == ("bind", True, "a", "stage")
    assert not parse_mount("type=bind,target=/x,rw").readonly
    cache = parse_mount("type=cache,dst=/c,id=i,sharing=locked,mode=0700,uid=5,gid=6")
    assert (cache.readonly, cache.sharing, cache.mode, cache.uid, cache.gid) == (False, "locked", 0o700, 5, 6)
    assert parse_mount("type=cache,target=/c").sharing == "shared"
    assert parse_mount("type=tmpfs,target=/t,size=64m").size == 64 << 20
    secret = parse_mount("type=secret,id=key,required,env=KEY")
    assert (secret.id, secret.required, secret.env) == ("key", True, "KEY")
    assert parse_mount("type=secret,target=/a/token").id == "token"
    assert parse_mount("type=secret,id=key,env").env == "key"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("type=bound,target=/x", "unsupported mount type"),
        ("type=cache", "target is required"),
        ("type=cache,target=/", "it is the root"),
        ("type=cache,target=/x/..", "it is the root"),
        ("type=cache,target=/x,sharing=mine", "unsupported sharing value"),
        ("type=bind,target=/x,propagation=shared", "unexpected key 'propagation'"),
        ("type=bind,target=/x,bind-propagation=rshared", "unexpected key"),
        ("type=bind,target=/x,from=$A", "'from' doesn't support variable expansion"),
        ("type=tmpfs,target=/x,size=lots", "invalid value for size"),
        ("type=cache,target=/x,mode=99999", "invalid value 99999 for mode"),
        ("type=cache,target=/x,uid=-1", "invalid value -1 for uid"),
        ("type=secret", "one of source, target required"),
        ("type=tmpfs,target=/x,from=a", "is not allowed for mount type"),
        ("type=bind,target=/x,readonly=perhaps", "invalid value for readonly"),
        ("target", "must be a key=value pair"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_mount(text)
    assert sentence in str(caught.value)


@given(st.text())
def test_nothing_but_a_refusal_comes_of_any_text(text: str) -> None:
    try:
        assert parse_mount(text).kind in ("bind", "cache", "tmpfs", "secret", "ssh")
    except InvalidRequest as error:
        assert str(error)
