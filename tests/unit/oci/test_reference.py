"""References, against the tables of distribution/reference and against their own grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.oci.reference import Reference, parse_any, parse_normal, parse_reference, with_tag

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "normal", "familiar"),
    [
        ("nginx", "docker.io/library/nginx", "nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("library/nginx", "docker.io/library/nginx", "nginx"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("docker.io/nginx", "docker.io/library/nginx", "nginx"),
        ("index.docker.io/nginx", "docker.io/library/nginx", "nginx"),
        ("docker.io/a/b", "docker.io/a/b", "a/b"),
        ("localhost/a", "localhost/a", "localhost/a"),
        ("localhost:5000/a:b", "localhost:5000/a:b", "localhost:5000/a:b"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
        ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
        ("FOO.com/a", "FOO.com/a", "FOO.com/a"),
        ("Foo/a", "Foo/a", "Foo/a"),
        ("xn--n3h.com/a", "xn--n3h.com/a", "xn--n3h.com/a"),
        ("a__b-c--d.e/f", "a__b-c--d.e/f", "a__b-c--d.e/f"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}", f"app@{DIGEST}"),
        (f"app:1@{DIGEST}", f"docker.io/library/app:1@{DIGEST}", f"app:1@{DIGEST}"),
        ("a:" + "t" * 128, "docker.io/library/a:" + "t" * 128, "a:" + "t" * 128),
        ("a:_x", "docker.io/library/a:_x", "a:_x"),
    ],
)
def test_a_name_has_a_normal_and_a_familiar_form(text: str, normal: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert str(reference) == normal
    assert reference.familiar == familiar


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("FOO", "invalid reference format: repository name (library/FOO) must be lowercase"),
        ("foo/BAR:x", "invalid reference format: repository name (foo/BAR) must be lowercase"),
        ("localhost/A:B", "invalid reference format: repository name (A) must be lowercase"),
        ("", "invalid reference format"),
        ("x y", "invalid reference format"),
        ("foo:", "invalid reference format"),
        ("foo@", "invalid reference format"),
        ("a:b:c", "invalid reference format"),
        ("://", "invalid reference format"),
        ("-a", "invalid reference format"),
        ("a-", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("a___b", "invalid reference format"),
        ("a/b/../c", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("a:b\n", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("é", "invalid reference format"),
        ("foo@sha256:abc", "invalid reference format"),
        ("foo@sha256:" + "AB" * 32, "invalid checksum digest format"),
        ("foo@md5:" + "ab" * 16, "unsupported digest algorithm"),
        ("foo@sha256:" + "ab" * 20, "invalid checksum digest length"),
        ("a" * 300, "repository name must not be more than 255 characters"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
    ],
)
def test_what_is_no_name_is_refused_in_dockers_words(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_reference(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("text", [HEX, DIGEST])
def test_a_whole_id_is_an_id(text: str) -> None:
    assert parse_any(text) == DIGEST


def test_a_short_id_is_a_name_until_it_is_looked_up() -> None:
    assert parse_any("abc123") == Reference("docker.io", "library/abc123")
    assert parse_any("sha256:abc123") == Reference("docker.io", "library/sha256", "abc123")


def test_the_default_tag_is_given_to_bare_names_only() -> None:
    assert parse_reference("a").with_default_tag().familiar == "a:latest"
    assert parse_reference("a:1").with_default_tag().familiar == "a:1"
    assert parse_reference(f"a@{DIGEST}").with_default_tag().familiar == f"a@{DIGEST}"


def test_a_tag_replaces_tag_and_digest() -> None:
    assert with_tag(parse_reference(f"a:1@{DIGEST}"), "2").familiar == "a:2"
    with pytest.raises(InvalidRequest, match="invalid tag format"):
        with_tag(parse_reference("a"), "-x")


components = st.from_regex(r"[a-z0-9]+(?:(?:[._]|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)
domains = st.one_of(
    st.just("localhost"), st.from_regex(r"[a-z0-9]{1,5}\.[a-zA-Z]{2,5}(?::[0-9]{1,5})?", fullmatch=True)
)
tags = st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))


@given(st.one_of(st.just(""), domains), st.lists(components, min_size=1, max_size=3), tags, st.booleans())
def test_both_forms_of_a_reference_mean_the_same(domain: str, parts: list[str], tag: str, digest: bool) -> None:
    text = "/".join([domain, *parts] if domain else parts)
    text += (f":{tag}" if tag else "") + (f"@{DIGEST}" if digest else "")
    reference = parse_reference(text)
    assert parse_reference(reference.familiar) == reference
    assert parse_reference(str(reference)) == reference
    assert parse_normal(str(reference)) == reference
    assert (reference.tag, reference.digest) == (tag, DIGEST if digest else "")


@given(st.text(st.sampled_from("aA0._-/:@\n sha256"), max_size=40))
def test_whatever_is_accepted_survives_a_round_trip_and_is_no_path(text: str) -> None:
    try:
        reference = parse_reference(text)
    except InvalidRequest:
        return
    assert parse_reference(str(reference)) == reference
    assert ".." not in reference.path.split("/")
    assert not any(character.isspace() for character in str(reference))
