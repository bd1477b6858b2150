"""Which names get into a registry?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.registry.serve.names import check_digest, check_name, check_tag
from sampan.registry.serve.refusal import Refusal


@pytest.mark.parametrize("name", ["a", "a/b", "a.b/c-d/e_f/g__h/i--j", "0", "a" * 255])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@given(st.text(alphabet="aA0./_-~%\\\0\n é:@", max_size=12))
def test_no_name_leads_anywhere(text: str) -> None:
    try:
        name = check_name(text)
    except Refusal as refusal:
        assert refusal.status == 400
        return
    assert all(part not in ("", ".", "..") for part in name.split("/"))
    assert name == name.lower() and name.isascii() and "\n" not in name


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "A", "a..b", "a___b", "a_", "-a", "a" * 256, "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(Refusal):
        check_name(name)


def test_tags_and_digests() -> None:
    assert check_tag("V1.2_x-") == "V1.2_x-"
    for bad in ("", ".a", "-a", "a" * 129, "a/b", "a\n"):
        with pytest.raises(Refusal):
            check_tag(bad)
    for bad in ("sha256:", "sha256:xyz", "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:" + "0" * 63, "../x"):
        with pytest.raises(Refusal):
            check_digest(bad)
