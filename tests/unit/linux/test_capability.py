"""Do names, numbers and sets of capabilities agree?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.linux.capability import CAPABILITIES, capget, last_cap, mask, number


def test_the_table_is_that_of_the_manual() -> None:
    assert len(CAPABILITIES) == len(set(CAPABILITIES)) == 41
    assert (number("CAP_CHOWN"), number("CAP_SYS_ADMIN"), number("CAP_CHECKPOINT_RESTORE")) == (0, 21, 40)


@given(st.sets(st.sampled_from(CAPABILITIES)))
def test_a_mask_has_one_bit_for_each_name(names: set[str]) -> None:
    bits = mask(names)
    assert {name for bit, name in enumerate(CAPABILITIES) if bits >> bit & 1} == names


@pytest.mark.parametrize("name", ["CHOWN", "cap_chown", "CAP_NONSENSE", ""])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        number(name)
    with pytest.raises(KeyError):
        mask([name])


def test_the_kernel_answers() -> None:
    effective, permitted, _ = capget()
    assert effective & ~permitted == 0
    assert permitted >> (last_cap() + 1) == 0
