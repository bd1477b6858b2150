"""What is to be said about a build's images? The flags `--attest`, `--provenance` and `--sbom`, and where it can go."""

from __future__ import annotations

from sampan.cli.building.outputs import words_of
from sampan.cli.command import Call, Failure

YES, NO = ("", "true", "1"), ("false", "0")
MODES = ("min", "max")


def attested(call: Call) -> dict[str, str | list[str]]:
    """The query's part about it. Raises Failure, also for an output that does not exist."""
    options = call.options
    outputs = [words_of(text) for text in options["output"]]
    several = len([word for text in options["platform"] for word in text.split(",")]) > 1
    given = [_words(text) for text in options["attest"]]
    for words, text in zip(given, options["attest"], strict=True):
        if words.get("type") not in ("provenance", "sbom"):
            raise Failure(f"invalid attestation {text!r}: its type is provenance or sbom")
    said = _provenance([each for each in given if each["type"] == "provenance"], options["provenance"])
    said |= _sbom([each for each in given if each["type"] == "sbom"], options["sbom"])
    for words in outputs:
        if several and words["type"] == "docker" and words.get("dest"):
            raise Failure("output type=docker is of one platform: several go to type=oci, local, tar or to a registry")
    goes_out = options["push"] or any(
        words["type"] in ("oci", "registry") or words.get("push") == "true" for words in outputs
    )
    if said and not goes_out:
        raise Failure("attestations go beside an image in an index: they need --push or --output type=oci,dest=PATH")
    return said | ({"parts": "1"} if said or several else {})


def _provenance(attestations: list[dict[str, str]], provenance: str) -> dict[str, str | list[str]]:
    """What was asked for last counts. Raises Failure."""
    asked = attestations[-1] if attestations else {"disabled": "true"}
    if provenance:
        first = provenance.partition(",")[0]
        asked = {"disabled": "true"} if first in NO else {"mode": "min"} if first in YES else _words(provenance)
    if asked.get("disabled", "false") in YES:
        return {}
    unknown = asked.keys() - {"type", "mode", "builder-id", "disabled"}
    mode = asked.get("mode", "min")
    if unknown or mode not in MODES:
        raise Failure("invalid provenance: it is true, false or mode=min|max[,builder-id=URI]")
    found: dict[str, str | list[str]] = {"provenance": mode}
    if asked.get("builder-id"):
        found["builderid"] = asked["builder-id"]
    return found


def _sbom(attestations: list[dict[str, str]], sbom: str) -> dict[str, str | list[str]]:
    """Raises Failure for another program that is to make it: this engine reads the databases by itself."""
    asked = attestations[-1] if attestations else {"disabled": "true"}
    if sbom:
        asked = {"disabled": "true"} if sbom in NO else {} if sbom in YES else _words(sbom)
    if asked.get("disabled", "false") in YES:
        return {}
    if asked.keys() - {"type", "disabled"}:
        raise Failure("invalid sbom: it is true or false (generators are not supported: the engine lists the packages)")
    return {"sbom": "1"}


def _words(text: str) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in text.split(","))
