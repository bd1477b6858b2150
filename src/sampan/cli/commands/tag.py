"""sampan tag: another name for an image."""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.client.engine import named
from sampan.errors import InvalidRequest
from sampan.oci.reference import parse_reference


def run(call: Call) -> int:
    """docker tag SOURCE TARGET."""
    source, target = call.arguments
    try:
        reference = parse_reference(target)
    except InvalidRequest as error:
        raise Failure(f'Error parsing reference: "{target}" is not a valid repository/tag: {error}') from None
    if reference.digest:
        raise Failure("refusing to create a tag with a digest reference")
    query: dict[str, str | list[str]] = {"repo": reference.name, "tag": reference.with_default_tag().tag}
    call.engine.post(named("images", source, "tag"), query)
    return 0


COMMAND = Command("SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", run, least=2, most=2)
