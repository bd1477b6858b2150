"""Are the types of a config.json checked, field by field?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.runtime import shape
from sampan.cli.runtime.commands.spec import default_spec
from sampan.errors import InvalidRequest, SampanError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_the_default_spec_has_its_shape() -> None:
    shape.check(default_spec(), shape.SPEC)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"hostname": 5}, "hostname"),
        ({"process": {"user": {"uid": True}}}, "process.user.uid"),
        ({"mounts": [{"destination": "/x", "options": "ro"}]}, r"mounts\[0\].options"),
        ({"linux": {"resources": {"cpu": {"shares": -1}}}}, "linux.resources.cpu.shares"),
        ({"annotations": {"a": 1}}, "annotations.a"),
        ([], "the document"),
    ],
)
def test_a_wrong_type_is_named(value: object, where: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{where} must be"):
        shape.check(value, shape.SPEC)


def test_null_is_absent_and_strangers_are_ignored() -> None:
    shape.check({"hostname": None, "solaris": 7, "linux": {"new": []}}, shape.SPEC)


@given(st.sampled_from(sorted(shape.SPEC)), JSON)
def test_whatever_stands_there_is_taken_or_refused(name: str, value: Any) -> None:
    try:
        shape.check({name: value}, shape.SPEC)
    except SampanError as error:
        assert name in str(error)
