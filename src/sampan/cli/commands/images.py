"""sampan images: which images are there?"""

from __future__ import annotations

from sampan.cli.command import Call, Command, Failure
from sampan.cli.flags import FILTER, SWITCH, Flag
from sampan.cli.formats import FORMAT, filters_query, short_id, show
from sampan.cli.template.evaluate import Row
from sampan.client.units import ago, decimal_size, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NONE = "<none>"
HEADERS = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}
TABLE = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
TABLE_WITH_DIGESTS = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"


def run(call: Call) -> int:
    """docker images [REPOSITORY[:TAG]]."""
    options = call.options
    filters = [*options["filter"], *(("reference", name) for name in call.arguments)]
    query = filters_query(filters)
    if options["all"]:
        query["all"] = "1"
    if options["tree"]:
        if options["format"] or options["quiet"] or options["digests"]:
            raise Failure("--tree is a picture: leave out --format, --quiet and --digests")
        from sampan.cli.commands.images_tree import show_tree  # only here: it is seldom wanted

        images = call.engine.get("/images/json", query | {"manifests": "1"})
        show_tree(call, images, full=options["no-trunc"])
        return 0
    images = call.engine.get("/images/json", query)
    template = options["format"]
    digests = options["digests"] or ".Digest" in template
    rows = [
        image_row(image, *names, full=options["no-trunc"]) for image in images for names in named_as(image, digests)
    ]
    if options["quiet"] and template in ("", "table"):
        template = "{{.ID}}"
    show(call, rows, HEADERS, default=TABLE_WITH_DIGESTS if options["digests"] else TABLE, template=template)
    return 0


def named_as(image: dict[str, Any], digests: bool) -> list[tuple[str, str, str]]:
    """(repository, tag, digest) for each line that an image takes."""
    by_repository: dict[str, str] = {}
    for text in image.get("RepoDigests") or ():
        repository, _, digest = text.partition("@")
        by_repository.setdefault(repository, digest)
    names = []
    for text in image.get("RepoTags") or ():
        repository, _, tag = text.rpartition(":")
        if text != f"{NONE}:{NONE}":
            names.append((repository, tag, by_repository.get(repository, NONE)))
    if names:
        return names
    untagged = [(repository, NONE, digest) for repository, digest in by_repository.items() if repository != NONE]
    if untagged and digests:
        return untagged
    return [(untagged[0][0] if untagged else NONE, NONE, NONE)]


def image_row(image: dict[str, Any], repository: str, tag: str, digest: str, *, full: bool) -> Row:
    """One line as docker's formatter shows it."""

    def size_or_unknown(name: str) -> str:
        return "N/A" if image.get(name, -1) == -1 else decimal_size(image[name], 3)

    return Row(
        {
            "ID": lambda: image["Id"] if full else short_id(image["Id"]),
            "Repository": lambda: repository,
            "Tag": lambda: tag,
            "Digest": lambda: digest,
            "CreatedSince": lambda: ago(image["Created"]) if image["Created"] > 0 else "N/A",
            "CreatedAt": lambda: timestamp(image["Created"]),
            "Size": lambda: decimal_size(image["Size"], 3),
            "Containers": lambda: "N/A" if image.get("Containers", -1) == -1 else str(image["Containers"]),
            "VirtualSize": lambda: decimal_size(image["Size"]),
            "SharedSize": lambda: size_or_unknown("SharedSize"),
            "UniqueSize": lambda: (
                "N/A" if image.get("SharedSize", -1) == -1 else decimal_size(image["Size"] - image["SharedSize"], 3)
            ),
        }
    )


COMMAND = Command(
    "[OPTIONS] [REPOSITORY[:TAG]]",
    run,
    most=1,
    flags=(
        Flag("all", SWITCH, "Show all images (default hides intermediate images)", short="a"),
        Flag("digests", SWITCH, "Show digests"),
        Flag("filter", FILTER, "Filter output based on conditions provided", short="f"),
        FORMAT,
        Flag("no-trunc", SWITCH, "Don't truncate output"),
        Flag("quiet", SWITCH, "Only show image IDs", short="q"),
        Flag("tree", SWITCH, "List multi-platform images as a tree (EXPERIMENTAL)"),
    ),
)
