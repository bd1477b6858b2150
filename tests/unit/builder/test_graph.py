"""Which stages are needed?"""

import pytest

from sampan.builder.dockerfile.stages import parse_dockerfile
from sampan.builder.graph import global_arguments, plan
from sampan.errors import InvalidRequest

TEXT = (
    "ARG BASE=a\nFROM $BASE AS one\nRUN x\nFROM scratch AS unused\nRUN never\nFROM one AS two\nRUN y\n"
    "FROM scratch\nCOPY --from=two /a /b\nRUN --mount=from=one,target=/m z\n"
)


def needed(text: str, target: str = "") -> tuple[int, ...]:
    """The indexes of the stages that are built."""
    parsed = parse_dockerfile(text)
    return plan(parsed, target, global_arguments(parsed, {}, {})).needed


def test_only_what_the_target_stands_on_or_reads_from_is_needed() -> None:
    assert needed(TEXT) == (0, 2, 3)
    assert needed(TEXT, "one") == (0,)
    assert needed(TEXT, "TWO") == (0, 2)
    assert needed(TEXT, "1") == (1,)


def test_steps_are_counted_over_the_needed_stages() -> None:
    parsed = parse_dockerfile(TEXT)
    found = plan(parsed, "", global_arguments(parsed, {"BASE": "b"}, {}))
    assert (found.steps, found.first_step(0), found.first_step(2), found.first_step(3)) == (7, 1, 3, 5)
    assert found.bases[0].image == "b"
    assert found.bases[2].stage == 0


@pytest.mark.parametrize(
    ("text", "target", "sentence"),
    [
        (TEXT, "tow", r'target stage "tow" could not be found \(did you mean two\?\)'),
        ("FROM $NOTHING\n", "", "should not be blank"),
        ("FROM a AS x\nCOPY --from=x /a /b\n", "", "circular dependency detected on stage: x"),
        ("FROM a AS x\nCOPY --from=y /a /b\nFROM b AS y\nCOPY --from=x /a /b\n", "", "circular dependency"),
    ],
)
def test_what_cannot_be_built_is_refused(text: str, target: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        needed(text, target)


def test_a_long_chain_of_stages_is_no_recursion() -> None:
    text = "FROM a AS s0\n" + "".join(f"FROM s{number} AS s{number + 1}\n" for number in range(900))
    assert len(needed(text)) == 901
