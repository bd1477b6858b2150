"""Are lines put together into instructions as BuildKit's own parser does it?

The oracle is that parser, the Go one, as the PyPI package `dockerfile` has it.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus import cases
from sampan.builder.dockerfile.errors import DockerfileError
from sampan.builder.dockerfile.lexer import BYTES_MAX, INSTRUCTIONS_MAX, Node, cut_flags, heredocs_in, lex

dockerfile = pytest.importorskip("dockerfile")

WORDS = st.sampled_from([
    "FROM a", "RUN", "run echo", "COPY a b", "ENV A=1", "ENV A 1", "LABEL", "CMD", '["a", "b"]', "<<EOF", "EOF",
    "<<-'X Y'",
    "\\", "`", "#", "# c", "# escape=`", "'", '"', " ", "\t", "\n", "\r\n", "--flag=x", "--", "$A",
    "ONBUILD RUN x", "x",
])  # fmt: skip
TEXTS = st.lists(WORDS, max_size=14).map("".join)


def seen_by_the_oracle(text: str) -> list[tuple[object, ...]] | None:
    """What the Go parser makes of it; None if it refuses it."""
    try:
        commands = dockerfile.parse_string(text)
    except dockerfile.GoParseError:
        return None
    # An escape character alone makes a command without a name there, and nothing here.
    return [
        ((each.cmd or "").upper(), tuple(each.flags), each.start_line, each.end_line,
         tuple((heredoc.name, heredoc.content) for heredoc in each.heredocs))
        for each in commands
        if each.cmd
    ]  # fmt: skip


def seen_here(text: str) -> list[tuple[object, ...]] | None:
    """The same of ours."""
    try:
        nodes = lex(text).nodes
    except DockerfileError:
        return None
    return [
        (node.keyword, node.flags, node.line, node.end_line,
         tuple((heredoc.name, heredoc.content) for heredoc in node.heredocs))
        for node in nodes
    ]  # fmt: skip


def test_the_corpus_is_seen_as_the_go_parser_sees_it() -> None:
    texts = [case.text for case in cases("busybox")]
    assert len(texts) > 150
    for text in texts:
        expected = seen_by_the_oracle(text)
        if expected is not None:
            assert seen_here(text) == expected, text


@given(TEXTS)
@example("FROM a\nRUN <<EOF\nx\nEOF\n")
def test_any_text_is_seen_as_the_go_parser_sees_it(text: str) -> None:
    expected, found = seen_by_the_oracle(text), seen_here(text)
    # The Go parser looks into the arguments, too, and refuses more; what both take must be the same.
    if expected is not None and found is not None:
        assert found == expected


@given(st.text())
def test_nothing_but_a_dockerfile_error_comes_of_any_text(text: str) -> None:
    try:
        assert all(isinstance(node, Node) for node in lex(text).nodes)
    except DockerfileError as error:
        assert error.sentence


def test_what_is_too_much_is_refused() -> None:
    with pytest.raises(DockerfileError, match="larger than"):
        lex("#" * (BYTES_MAX + 1))
    with pytest.raises(DockerfileError, match="at most"):
        lex("FROM a\n" * (INSTRUCTIONS_MAX + 1))


@pytest.mark.parametrize(
    ("rest", "flags", "left"),
    [
        ("--a=b c", ("--a=b",), "c"),
        ("--a='b c' d", ("--a=b c",), "d"),
        (r"--a=b\ c d", ("--a=b c",), "d"),
        ("--a --b=1 -- --c", ("--a", "--b=1"), "--c"),
        ("x --a", (), "x --a"),
        ("", (), ""),
    ],
)
def test_flags_end_where_the_arguments_begin(rest: str, flags: tuple[str, ...], left: str) -> None:
    assert cut_flags(rest) == (flags, left)


def test_quoted_names_of_heredocs_are_not_expanded() -> None:
    found = heredocs_in("RUN <<A <<-'B' 3<<\"C\" << not")
    assert [(each.name, each.expand, each.chomp, each.fd) for each in found] == [
        ("A", True, False, 0), ("B", False, True, 0), ("C", False, False, 3),
    ]  # fmt: skip
