"""sampan image verify: is everything that images are made of what its digest says?"""

from __future__ import annotations

from sampan.cli.command import ANY, Call, Command
from sampan.cli.flags import SWITCH, Flag
from sampan.client.credentials import header
from sampan.client.progress import show
from sampan.oci.reference import Reference, parse_any


def run(call: Call) -> int:
    """sampan image verify [IMAGE...]; 1 when something is damaged and was not repaired."""
    query: dict[str, str | list[str]] = {"names": call.arguments} if call.arguments else {}
    fields: dict[str, str] = {}
    if call.options["repair"]:
        query["repair"] = "1"
        named = parse_any(call.arguments[0]) if len(call.arguments) == 1 else None
        if isinstance(named, Reference):  # credentials go to the one registry that they are for
            fields = {"X-Registry-Auth": header(call.config_directory, named.domain)}
    [tally] = show(call.engine.send("POST", "/images/verify", query, fields=fields), call.out)
    call.out.line(f"Checked: {tally['Checked']}, repaired: {tally['Repaired']}, damaged: {tally['Damaged']}")
    return 1 if tally["Damaged"] else 0


COMMAND = Command(
    "[OPTIONS] [IMAGE...]",
    run,
    most=ANY,
    flags=(Flag("repair", SWITCH, "Mend what is damaged, from what is here or from the image's registry"),),
    details="Reads and hashes every layer, config and manifest of the images, of all if none is named.",
)
