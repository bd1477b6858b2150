"""What does an instruction mean, and what is said of one that means nothing?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import cases
from sampan.builder.dockerfile import instructions as said
from sampan.builder.dockerfile.errors import DockerfileError
from sampan.builder.dockerfile.stages import parse_dockerfile, parse_triggers

oracle = pytest.importorskip("dockerfile")


def one(line: str) -> said.Instruction:
    """The only instruction of a stage."""
    [found] = parse_dockerfile(f"FROM a\n{line}\n").stages[0].steps
    return found


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("RUM x", "unknown instruction: RUM (did you mean RUN?)"),
        ("COPY --form=a b c", "unknown flag: --form (did you mean from?)"),
        ("COPY --from b c", "missing a value on flag: --from"),
        ("COPY --from=a --from=b c d", "duplicate flag specified: --from"),
        ("COPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"),
        ("COPY a", "COPY requires at least two arguments, but only one was provided."),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=1 b", 'can\'t find = in "b"'),
        ("ARG", "ARG requires at least one argument"),
        ("SHELL sh", "SHELL requires the arguments to be in JSON form"),
        ('CMD ["a", 1]', "arrays must be comprised of strings only"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK SOMETIMES x", 'Unknown type "SOMETIMES" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK --retries=x CMD a", "strconv.ParseInt"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("RUN --network=moon x", 'unsupported network mode "moon"'),
        ("RUN --security=lax x", 'security "lax" is not valid'),
        ("RUN --mount=type=bond,target=/x y", 'unsupported mount type "bond" (did you mean bind?)'),
        ("RUN", "RUN requires at least one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ("USER", "USER requires exactly one argument"),
    ],
)
def test_a_mistake_is_named_with_its_line(line: str, sentence: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        one(line)
    assert sentence in str(caught.value)
    assert caught.value.line == 2
    assert str(caught.value).startswith("dockerfile parse error on line 2: ")
    assert f">>> {line}" in str(caught.value)
    assert "Dockerfile:2:1" in str(caught.value)


def test_the_column_is_where_the_instruction_begins() -> None:
    with pytest.raises(DockerfileError) as caught:
        one("    FOO x")
    assert (caught.value.line, caught.value.column) == (2, 5)


def test_words_become_fields() -> None:
    copy = one('COPY --from=b --chown=1:2 --chmod=644 --link --parents --exclude=x --exclude=y ["a b", "c/"]')
    assert isinstance(copy, said.Copy)
    assert (copy.sources, copy.target, copy.from_, copy.chown) == (("a b",), "c/", "b", "1:2")
    assert (copy.link, copy.parents, copy.exclude) == (True, True, ("x", "y"))
    add = one("ADD --unpack=false --keep-git-dir --checksum=sha256:1 a b")
    assert isinstance(add, said.Add)
    assert (add.unpack, add.keep_git_dir, add.checksum) == (False, True, "sha256:1")
    run = one("RUN --mount=type=cache,target=/c --network=none echo a  b")
    assert isinstance(run, said.Run)
    assert (run.words, run.is_shell, run.mounts, run.network) == (
        ("echo a  b",), True, ("type=cache,target=/c",), "none",
    )  # fmt: skip
    health = one("HEALTHCHECK --interval=5s --start-interval=100ms --retries=3 CMD a b")
    assert isinstance(health, said.Healthcheck)
    assert (health.test, health.interval_ns, health.start_interval_ns, health.retries) == (
        ("CMD-SHELL", "a b"), 5 * 10**9, 10**8, 3,
    )  # fmt: skip
    onbuild = one("ONBUILD COPY --chown=1 a b")
    assert isinstance(onbuild, said.OnBuild)
    assert isinstance(onbuild.trigger, said.Copy)
    assert onbuild.trigger.chown == "1"
    [trigger] = parse_triggers([onbuild.expression], "image")
    assert trigger == onbuild.trigger or isinstance(trigger, said.Copy)


def test_commands_of_the_corpus_are_split_as_the_go_parser_splits_them() -> None:
    """CMD, ENTRYPOINT, RUN, SHELL, VOLUME, COPY and ADD: which words, and whether they were JSON."""
    compared = 0
    for case in cases("busybox"):
        try:
            theirs = {command.start_line: command for command in oracle.parse_string(case.text)}
            ours = parse_dockerfile(case.text)
        except (oracle.GoParseError, DockerfileError):
            continue
        for step in (step for stage in ours.stages for step in stage.steps):
            if isinstance(step, said.Command) and not step.node.heredocs and step.words:
                assert (step.words, not step.is_shell) == (
                    tuple(theirs[step.node.line].value),
                    theirs[step.node.line].json,
                )
                compared += 1
            elif isinstance(step, said.Transfer) and not step.heredocs:
                assert (*step.sources, step.target) == tuple(theirs[step.node.line].value), step.node.original
                compared += 1
    assert compared > 100


@given(st.text(max_size=200))
def test_any_text_is_a_dockerfile_or_an_error_that_says_why(text: str) -> None:
    try:
        assert parse_dockerfile("FROM a\n" + text).stages
    except DockerfileError as error:
        assert str(error)
