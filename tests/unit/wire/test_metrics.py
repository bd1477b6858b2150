"""Can a name of a stranger's make a line of its own?"""

from hypothesis import given
from hypothesis import strategies as st

from sampan.wire.metrics import Family, render


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_one_sample_is_one_line_whatever_its_labels_say(text: str, value: float) -> None:
    lines = render([Family("a_total", "counter", text, [({"name": text}, value)])]).split("\n")
    assert len(lines) == 4
    assert lines[1] == "# TYPE a_total counter"
    assert float(lines[2].rpartition(" ")[2]) == value


def test_nothing_is_said_of_what_has_no_samples() -> None:
    assert render([Family("a", "gauge", "x", []), Family("b", "gauge", "y", [({}, 1)])]) == (
        "# HELP b y\n# TYPE b gauge\nb 1\n"
    )
