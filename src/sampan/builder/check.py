"""What does `--check` find? A build that looks at the Dockerfile and builds nothing."""

import os
from collections.abc import Mapping
from typing import Any

from sampan.builder.context import IGNORE_NAME, Kept
from sampan.builder.dockerfile.directives import Checks, parse_checks
from sampan.builder.dockerfile.lint import lint, summary, wanted
from sampan.builder.dockerfile.lint_stage import lint_stages
from sampan.builder.dockerfile.stages import Dockerfile
from sampan.builder.graph import global_arguments, plan
from sampan.builder.request import BuildRequest
from sampan.builder.state import platform_arguments
from sampan.errors import SampanError
from sampan.images.store import ImageStore
from sampan.oci.platform import host_platform
from sampan.wire.patterns import Ignore, parse_ignore

CHECK_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
IGNORE_BYTES_MAX = 1 << 20


def check(
    images: ImageStore, request: BuildRequest, kept: Kept | None, dockerfile: Dockerfile
) -> list[Mapping[str, Any]]:
    """The warnings about a Dockerfile, as a client gets them. Raises DockerfileError where it could not be built."""
    host = host_platform()
    predefined = platform_arguments(request.platform or host, host)
    variables = global_arguments(dockerfile, request.arguments, predefined)
    findings = lint(dockerfile)
    findings += lint_stages(
        dockerfile, variables, request.arguments, lambda name: env_of(images, name), _ignore(kept, request)
    )
    findings.sort(key=lambda finding: (finding.line, finding.rule))
    kept_findings = wanted(findings, checks_of(request, dockerfile))
    if not any(finding.rule == "UndefinedArgInFrom" for finding in kept_findings):
        plan(dockerfile, request.target, variables)
    return summary(kept_findings, dockerfile.text, request.dockerfile)


def checks_of(request: BuildRequest, dockerfile: Dockerfile) -> Checks:
    """Which checks are wanted: the build argument's, else the file's own. Raises InvalidRequest."""
    return parse_checks(request.arguments.get(CHECK_ARGUMENT) or dockerfile.directives.values.get("check", ""))


def env_of(images: ImageStore, name: str) -> Mapping[str, str] | None:
    """The environment of an image that is here."""
    try:
        env = images.find(name).config.run.env or ()
    except SampanError:
        return None
    return {"PATH": "", **{variable.partition("=")[0]: variable.partition("=")[2] for variable in env}}


def _ignore(kept: Kept | None, request: BuildRequest) -> Ignore:
    if kept is None:
        return Ignore(())
    with kept.open() as tree:
        for name in (request.dockerfile + IGNORE_NAME, IGNORE_NAME):
            text = tree.read(os.fsencode(name), IGNORE_BYTES_MAX)
            if text is not None:
                return Ignore(parse_ignore(text.decode(errors="replace")))
    return Ignore(())
