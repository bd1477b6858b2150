"""Members of JSON objects: the right type, or a sentence that names the member."""

import pytest

from sampan.errors import InvalidRequest
from sampan.oci.fields import Fields


def test_what_is_absent_has_a_default() -> None:
    fields = Fields({"gone": None}, "thing")
    for name in ("gone", "missing"):
        assert fields.text(name, "x") == "x"
        assert fields.number(name) is None
        assert fields.flag(name) is False
        assert fields.texts(name) is None
        assert fields.mapping(name) is None
        assert fields.names(name) is None
        assert fields.inner(name) is None
        assert fields.items(name) == []
        assert not fields.has(name)


@pytest.mark.parametrize("method", ["text", "number", "flag", "texts", "mapping", "names", "items"])
def test_a_wrong_type_is_named(method: str) -> None:
    fields = Fields({"a": {"b": 1.5}}, "thing").inner("a")
    assert fields is not None
    with pytest.raises(InvalidRequest, match="b must be"):
        getattr(fields, method)("b")


def test_positions_in_lists_are_part_of_the_name() -> None:
    item = Fields({"list": [{}, {"x": 1}]}, "thing").items("list")[1]
    with pytest.raises(InvalidRequest, match=r"thing\.list\[1\]\.x must be a string"):
        item.text("x")


def test_only_objects_have_members() -> None:
    for value in (None, [], "x", 1):
        with pytest.raises(InvalidRequest, match="thing must be an object"):
            Fields(value, "thing")
