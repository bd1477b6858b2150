"""Are command lines read by pflag's rules? Expectations were taken from docker 28.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cli.flags import FILTER, LIST, NUMBER, SWITCH, TEXT, BadUsage, Flag, HelpWanted, Options, parse

FLAGS = (
    Flag("detach", SWITCH, "d", short="d"),
    Flag("env", LIST, "e", short="e"),
    Flag("filter", FILTER, "f", short="f"),
    Flag("init", SWITCH, "init"),
    Flag("interactive", SWITCH, "i", short="i"),
    Flag("last", NUMBER, "n", short="n", default=-1),
    Flag("name", TEXT, "name"),
    Flag("network", TEXT, "network", aliases=("net",)),
    Flag("proxy", SWITCH, "p", default=True),
    Flag("tty", SWITCH, "t", short="t"),
)
NAMES = [flag.name for flag in FLAGS]


def values(options: Options) -> dict[str, object]:
    """What was given."""
    return {name: options[name] for name in NAMES if options.given(name)}


@pytest.mark.parametrize(
    ("line", "given_values", "arguments"),
    [
        ("", {}, []),
        ("-itd x", {"interactive": True, "tty": True, "detach": True}, ["x"]),
        ("-ite A=1 x", {"interactive": True, "tty": True, "env": ["A=1"]}, ["x"]),
        ("-eA=1 -e=B=2 -e C=3", {"env": ["A=1", "B=2", "C=3"]}, []),
        ("-t=false -i=true", {"tty": False, "interactive": True}, []),
        ("--tty=false --init", {"tty": False, "init": True}, []),
        ("--tty false", {"tty": True}, ["false"]),
        ("--name=x --name y", {"name": "y"}, []),
        ("--name=", {"name": ""}, []),
        ("--name --tty", {"name": "--tty"}, []),
        ("--net n", {"network": "n"}, []),
        ("-n5 x --tty y", {"last": 5, "tty": True}, ["x", "y"]),
        ("-n -1", {"last": -1}, []),
        ("x -- -t --name", {}, ["x", "-t", "--name"]),
        ("- x", {}, ["-", "x"]),
        ("--filter a=b=c -f Name=x", {"filter": [("a", "b=c"), ("name", "x")]}, []),
        ("--proxy=0", {"proxy": False}, []),
    ],
)
def test_lines(line: str, given_values: dict[str, object], arguments: list[str]) -> None:
    options, rest = parse(FLAGS, line.split())
    assert (values(options), rest) == (given_values, arguments)


def test_defaults() -> None:
    options, _ = parse(FLAGS, [])
    assert [options[name] for name in ("tty", "proxy", "last", "name", "env")] == [False, True, -1, "", []]


def test_flags_end_at_the_first_argument_of_run() -> None:
    options, rest = parse(FLAGS, ["-t", "image", "-i", "--", "x"], interspersed=False)
    assert (values(options), rest) == ({"tty": True}, ["image", "-i", "--", "x"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--bogus", "unknown flag: --bogus"),
        ("--bogus=1", "unknown flag: --bogus"),
        ("-x", "unknown shorthand flag: 'x' in -x"),
        ("-tx", "unknown shorthand flag: 'x' in -tx"),
        ("--=x", "bad flag syntax: --=x"),
        ("---x", "bad flag syntax: ---x"),
        ("--name", "flag needs an argument: --name"),
        ("-te", "flag needs an argument: 'e' in -te"),
        ("-n x", 'invalid argument "x" for "-n, --last" flag: it is not a whole number'),
        ("--tty=si", 'invalid argument "si" for "-t, --tty" flag: use true or false'),
        ("-f x", 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'),
    ],
)
def test_problems(line: str, problem: str) -> None:
    with pytest.raises(BadUsage) as caught:
        parse(FLAGS, line.split())
    assert str(caught.value) == problem


@pytest.mark.parametrize("line", ["--help", "-h", "x --help", "-th"])
def test_help(line: str) -> None:
    with pytest.raises(HelpWanted):
        parse(FLAGS, line.split())


def test_a_flag_named_h_is_no_help() -> None:
    options, _ = parse((Flag("hostname", TEXT, "h", short="h"),), ["-h", "x"])
    assert options["hostname"] == "x"


@given(st.lists(st.text(max_size=6)))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    try:
        parse(FLAGS, words)
    except (BadUsage, HelpWanted):
        pass
