"""What is in an image, as others read it? An SPDX 2.3 document of its packages (spdx.github.io/spdx-spec/v2.3).

The same image gives the same document, but for the moment; SOURCE_DATE_EPOCH fixes that as well.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from sampan import __version__
from sampan.builder.build import Build
from sampan.builder.packages import packages_of
from sampan.images.image import Image
from sampan.images.moment import rfc3339

PREDICATE = "https://spdx.dev/Document"
DOCUMENT, ROOT = "SPDXRef-DOCUMENT", "SPDXRef-Image"
NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9.-]")
SECOND = 10**9


def sbom(build: Build, image: Image) -> Mapping[str, Any]:
    """The document about an image that was just built. Blocks. Raises InvalidRequest for too much."""
    with build.tree(list(image.diff_ids)) as tree:
        found = packages_of(tree)
    name = next(iter(image.repo_tags), image.id)
    moment_ns = build.started_ns if build.epoch_ns is None else build.epoch_ns
    ids = [f"SPDXRef-Package-{number}-{NOT_IN_AN_ID.sub('-', each.name)}" for number, each in enumerate(found, 1)]
    packages = [_package(ROOT, name, image.id) | {"primaryPackagePurpose": "CONTAINER"}]
    packages += [
        _package(spdx_id, each.name, each.version)
        | {
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": each.purl}
            ]
        }
        for spdx_id, each in zip(ids, found, strict=True)
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": name,
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{image.id} {moment_ns}')}",
        "creationInfo": {
            "created": rfc3339(moment_ns - moment_ns % SECOND),
            "creators": [f"Tool: sampan-{__version__}"],
        },
        "packages": packages,
        "relationships": [
            {"spdxElementId": DOCUMENT, "relationshipType": "DESCRIBES", "relatedSpdxElement": ROOT},
            *(
                {"spdxElementId": ROOT, "relationshipType": "CONTAINS", "relatedSpdxElement": spdx_id}
                for spdx_id in ids
            ),
        ],
    }


def _package(spdx_id: str, name: str, version: str) -> dict[str, Any]:
    return {
        "SPDXID": spdx_id,
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }
