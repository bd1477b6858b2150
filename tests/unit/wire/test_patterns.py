"""Which names do patterns match? Rows of moby's own tests for patternmatcher, and of Go's for filepath.Match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import InvalidRequest
from sampan.wire.patterns import Ignore, name_pattern, parse_ignore


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("abc", "abc", True), ("*", "abc", True), ("*c", "abc", True), ("a*", "a", True), ("a*", "ab/c", False),
        ("a*/b", "abc/b", True), ("a*/b", "a/c/b", False), ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b?c*x", "abxbbxdbxebxczzx", True), ("ab[c]", "abc", True), ("ab[b-d]", "abc", True), ("ab[e-g]",
        "abc", False),
        ("ab[^c]", "abc", False), ("ab[^e-g]", "abc", True), (r"a\*b", "a*b", True), (r"a\*b", "ab", False),
        ("a?b", "a☺b", True), ("a[^a]b", "a☺b", True), ("a?b", "a/b", False), ("a*b", "a/b", False),
        (r"[\]a]", "]", True), (r"[\-]", "-", True), ("*x", "xxx", True),
    ],
)  # fmt: skip
def test_names(pattern: str, name: str, matches: bool) -> None:
    assert bool(name_pattern(pattern).fullmatch(name)) is matches


@pytest.mark.parametrize("pattern", ["[]a]", "[-]", "[", "[^", "[^bc", "a[", "\\", "[a-"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest, match="syntax error in pattern"):
        name_pattern(pattern)


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        (["**"], "file", True), (["**"], "dir/file", True), (["**/"], "file", True), (["**/**"], "dir/file", True),
        (["dir/**"], "dir/file", True), (["dir/**"], "dir", False), (["dir/**"], "dir/dir2/file", True),
        (["**/dir2/*"], "dir/dir2/file", True), (["**/dir2/**"], "dir/dir2/dir2/file", True),
        (["**/file"], "a/b/file", True),
        (["**/file"], "a/b/filex", False), (["a**/*.txt"], "abcd/file.txt", True), (["*.go",
        "!main.go"], "main.go", False),
        (["*.go", "!main.go"], "other.go", True), (["docs", "!docs/README.md"], "docs/README.md", False),
        (["docs", "!docs/README.md"], "docs/x", True), (["*", "!a", "a/b"], "a/b", True), (["a"], "a/b/c", True),
        (["/a"], "a", True), (["a/"], "a/b", True), (["./a"], "a", True), ([".*"], ".git", True),
        (["a[b]c"], "abc", True),
        (["foo/bar/*", "!foo/bar/x"], "foo/bar/x", False), (["!x", "x"], "x", True), ([], "x", False),
    ],
)  # fmt: skip
def test_the_last_rule_decides(patterns: list[str], path: str, excluded: bool) -> None:
    assert Ignore(patterns).excludes(path) is excluded


def test_a_file_of_patterns() -> None:
    assert parse_ignore("\ufeff# c\n\n a \n/b\n!  c \n./d/\n.\n/\n") == ["a", "b", "!c", "d"]


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_pattern_is_matched_or_refused(pattern: str, path: str) -> None:
    try:
        name_pattern(pattern).fullmatch(path)
        Ignore(parse_ignore(pattern)).excludes(path)
    except InvalidRequest as error:
        assert str(error)
