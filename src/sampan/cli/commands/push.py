"""sampan push: an image to its registry."""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.client.credentials import header
from sampan.client.engine import named
from sampan.client.progress import show
from sampan.oci.reference import parse_reference


def run(call: Call) -> int:
    """docker push NAME."""
    reference = parse_reference(call.arguments[0])
    if reference.digest:
        raise Failure("cannot push a digest reference")
    if call.options["all-tags"]:
        if not reference.is_name_only:
            raise Failure("tag can't be used with --all-tags/-a")
    elif reference.is_name_only:
        reference = reference.with_default_tag()
        if not call.options["quiet"]:
            call.out.line(f"Using default tag: {reference.tag}")
    query: dict[str, str | list[str]] = {"tag": reference.tag} if reference.tag else {}
    if call.options["platform"]:
        query["platform"] = platform_json(call.options["platform"])
    fields = {"X-Registry-Auth": header(call.config_directory, reference.domain)}
    response = call.engine.send("POST", named("images", reference.name, "push"), query, fields=fields)
    show(response, call.out, quiet=call.options["quiet"])
    if call.options["quiet"]:
        call.out.line(str(reference))
    return 0


def platform_json(text: str) -> str:
    """`linux/arm64` as the API has it. Raises InvalidRequest."""
    import json

    from sampan.oci.descriptor import platform_as_json
    from sampan.oci.platform import parse_platform

    return json.dumps(platform_as_json(parse_platform(text)))


COMMAND = Command(
    "[OPTIONS] NAME[:TAG]",
    run,
    least=1,
    most=1,
    flags=(
        Flag("all-tags", SWITCH, "Push all tags of an image to the repository", short="a"),
        Flag("disable-content-trust", SWITCH, "Skip image signing", default=True),
        Flag("platform", TEXT, 'Push only if the image is for this platform, as "os[/arch[/variant]]"'),
        Flag("quiet", SWITCH, "Suppress verbose output", short="q"),
    ),
)
