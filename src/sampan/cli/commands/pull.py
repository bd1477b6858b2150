"""sampan pull: an image from a registry."""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import SWITCH, TEXT, Flag
from sampan.client.credentials import header
from sampan.client.progress import show
from sampan.oci.reference import Reference, parse_reference


def run(call: Call) -> int:
    """docker pull NAME."""
    reference = parse_reference(call.arguments[0])
    if call.options["all-tags"]:
        if not reference.is_name_only:
            raise Failure("tag can't be used with --all-tags/-a")
    elif reference.is_name_only:
        reference = reference.with_default_tag()
        if not call.options["quiet"]:
            call.out.line(f"Using default tag: {reference.tag}")
    bring(call, reference, quiet=call.options["quiet"])
    call.out.line(str(reference))
    return 0


def bring(call: Call, reference: Reference, *, quiet: bool) -> None:
    """Ask the engine for an image, with the credentials that we have for its registry. Raises Refused."""
    query: dict[str, str | list[str]] = {"fromImage": reference.name}
    if reference.digest or reference.tag:
        query["tag"] = reference.digest or reference.tag
    if call.options["platform"]:
        query["platform"] = call.options["platform"]
    fields = {"X-Registry-Auth": header(call.config_directory, reference.domain)}
    show(call.engine.send("POST", "/images/create", query, fields=fields), call.out, quiet=quiet)


COMMAND = Command(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    run,
    least=1,
    most=1,
    flags=(
        Flag("all-tags", SWITCH, "Download all tagged images in the repository", short="a"),
        Flag("disable-content-trust", SWITCH, "Skip image verification", default=True),
        Flag("platform", TEXT, "Set platform if server is multi-platform capable"),
        Flag("quiet", SWITCH, "Suppress verbose output", short="q"),
    ),
)
