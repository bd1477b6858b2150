"""Which rule warns of which line, and how is it told not to?"""

import pytest

from sampan.builder.dockerfile.directives import parse_checks
from sampan.builder.dockerfile.lint import lint, wanted
from sampan.builder.dockerfile.lint_stage import lint_stages
from sampan.builder.dockerfile.stages import parse_dockerfile
from sampan.wire.patterns import Ignore

CASES = [
    ("FROM a\nrun x\nCMD []\n", "ConsistentInstructionCasing", 2),
    ("FROM a AS x\nFROM b AS x\n", "DuplicateStageName", 2),
    ("FROM a as x\n", "FromAsCasing", 1),
    ("FROM --platform=linux/amd64 a\n", "FromPlatformFlagConstDisallowed", 1),
    ("FROM --platform=$TARGETPLATFORM a\n", "RedundantTargetPlatform", 1),
    ("FROM a AS scratch\n", "ReservedStageName", 1),
    ("FROM a AS Upper\n", "StageNameCasing", 1),
    ("# other comment\nFROM a AS x\n", "InvalidDefinitionDescription", 2),
    ("FROM a\nCMD echo x\n", "JSONArgsRecommended", 2),
    ("FROM a\nENTRYPOINT echo x\n", "JSONArgsRecommended", 2),
    ("FROM a\nENV A b\n", "LegacyKeyValueFormat", 2),
    ("FROM a\nMAINTAINER m\n", "MaintainerDeprecated", 2),
    ('FROM a\nCMD ["x"]\nCMD ["y"]\n', "MultipleInstructionsDisallowed", 2),
    ("FROM a\nRUN x \\\n\n  y\n", "NoEmptyContinuation", 2),
    ("FROM a\nARG DB_PASSWORD\n", "SecretsUsedInArgOrEnv", 2),
    ("FROM a\nWORKDIR rel\n", "WorkdirRelativePath", 2),
    ("FROM a\nEXPOSE 127.0.0.1:80:80\n", "ExposeInvalidFormat", 2),
    ("FROM a\nEXPOSE 80/TCP\n", "ExposeProtoCasing", 2),
    ("FROM $NOPE\n", "UndefinedArgInFrom", 1),
    ("ARG TAG\nFROM a:$TAG\n", "InvalidDefaultArgInFrom", 2),
    ("FROM scratch\nCOPY $foo .\n", "UndefinedVar", 2),
    ("FROM scratch\nCOPY ignored/file .\n", "CopyIgnoredFile", 2),
]


def found(text: str) -> list[tuple[str, int]]:
    """Every warning, as (rule, line)."""
    parsed = parse_dockerfile(text)
    findings = lint(parsed)
    findings += lint_stages(parsed, {}, {}, lambda name: {"PATH": ""}, Ignore(["ignored"]))
    return [(finding.rule, finding.line) for finding in findings]


@pytest.mark.parametrize(("text", "rule", "line"), CASES, ids=[f"{rule}-{line}" for _, rule, line in CASES])
def test_a_rule_warns_of_its_line(text: str, rule: str, line: int) -> None:
    assert (rule, line) in found(text)


def test_a_good_file_has_no_warnings() -> None:
    assert not found(
        "# base is what all stand on\nFROM scratch AS base\nARG V=1\nENV A=$V\nWORKDIR /w\nWORKDIR sub\n"
        'COPY --from=base /x ./\nSHELL ["sh"]\nCMD echo $A\nEXPOSE 80/tcp\nENV PUBLIC_KEY=x\n'
    )


def test_all_rules_of_the_reference_are_there() -> None:
    assert len({rule for _, rule, _ in CASES}) == 21


def test_checks_can_be_switched_off_and_on() -> None:
    findings = lint(parse_dockerfile("# other\nFROM a AS x\nMAINTAINER m\n"))
    assert {f.rule for f in wanted(findings, parse_checks(""))} == {"MaintainerDeprecated"}
    assert not wanted(findings, parse_checks("skip=MaintainerDeprecated"))
    assert not wanted(findings, parse_checks("skip=all;error=true"))
    assert len(wanted(findings, parse_checks("experimental=all"))) == 2
    assert parse_checks("error=true").error
    assert findings[0].url.startswith("https://docs.docker.com/go/dockerfile/rule/")
