"""How did an image come about? The predicate of SLSA provenance v1, with BuildKit's names for the parameters.

`mode=min` leaves out the values of build arguments and the names of secrets; `mode=max` has them. Proxies and what a
URL says of users and tokens are in neither: they are where credentials are found most. Source:
https://slsa.dev/spec/v1.0/provenance and BuildKit's docs/attestations/slsa-definitions.md.
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sampan.builder.build import Build
from sampan.builder.sources import IMAGE_CONTEXT
from sampan.builder.state import PROXIES
from sampan.images.image import Image
from sampan.images.moment import rfc3339
from sampan.oci.reference import parse_reference

PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
COMPLETENESS = "buildkit_completeness"


def provenance(build: Build) -> Mapping[str, Any]:
    """The predicate about what this build made, when it is done."""
    request = build.request
    everything = request.provenance == "max"
    arguments: dict[str, str] = {}
    if request.target:
        arguments["target"] = request.target
    if everything:
        told = {name: value for name, value in request.arguments.items() if value is not None and name not in PROXIES}
        arguments |= {f"build-arg:{name}": value for name, value in sorted(told.items())}
        arguments |= {f"label:{name}": value for name, value in sorted(request.labels.items())}
    asked: dict[str, Any] = {"frontend": "dockerfile.v0", "args": arguments}
    if request.remote:
        source: dict[str, Any] = {"uri": without_credentials(request.remote), "path": request.dockerfile}
    else:
        source = {"path": request.dockerfile}
        asked["locals"] = [{"name": "context"}, {"name": "dockerfile"}]
    if everything and request.secrets:
        asked["secrets"] = [{"id": name, "optional": True} for name in sorted(request.secrets)]
    images = {
        request.contexts.get(name, name).removeprefix(IMAGE_CONTEXT): task.result()
        for (name, _), task in build.images.items()
        if _is_done(task)
    }
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"configSource": source, "request": asked},
            "internalParameters": {"builderPlatform": str(build.platform)},
            "resolvedDependencies": [_dependency(name, image) for name, image in sorted(images.items())],
        },
        "runDetails": {
            "builder": {"id": request.builder_id},
            "metadata": {
                "invocationId": build.record.id,
                "startedOn": rfc3339(build.started_ns),
                "finishedOn": rfc3339(time.time_ns()),
                COMPLETENESS: {"request": everything, "resolvedDependencies": False},
            },
        },
    }


def without_credentials(url: str) -> str:
    """The URL without its user, password and query."""
    before, scheme_end, rest = url.partition("://")
    if not scheme_end:
        before, rest = "", url
    place, slash, path = rest.partition("/")
    place = place.rpartition("@")[2]
    head, hash_, fragment = f"{place}{slash}{path}".partition("#")
    return before + scheme_end + head.partition("?")[0] + hash_ + fragment


def _is_done(task: Any) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _dependency(name: str, image: Image) -> Mapping[str, Any]:
    """An image that was used: its name and, if it came from a registry, the digest that it has there."""
    reference = parse_reference(name).with_default_tag() if not name.startswith("sha256:") else None
    shown = f"{reference.familiar_name}@{reference.tag or reference.digest}" if reference else name
    found: dict[str, Any] = {"uri": f"pkg:docker/{shown}?platform={quote(str(image.config.platform), safe='')}"}
    digests = [
        each.digest for each in image.references if each.digest and (not reference or each.name == reference.name)
    ]
    if digests:
        algorithm, _, encoded = digests[0].partition(":")
        found["digest"] = {algorithm: encoded}
    return found
