"""sampan image ls --tree: which names has each image, for which platforms is it there, and what does that cost?"""

from __future__ import annotations

from sampan.cli.command import Call
from sampan.cli.formats import short_id
from sampan.cli.tabular import align
from sampan.client.units import decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADER = "IMAGE\tID\tDISK USAGE\tCONTENT SIZE\tIN USE"
UNTAGGED = "<untagged>"


def show_tree(call: Call, images: list[dict[str, Any]], *, full: bool) -> None:
    """One block for each image: its names, then the platforms of its manifests."""
    lines = [HEADER]
    for image in images:
        manifests = image.get("Manifests") or ()
        *others, last = [name for name in image.get("RepoTags") or () if name != "<none>:<none>"] or [UNTAGGED]
        lines += [f"{name}\t\t\t\t" for name in others]
        content = sum(manifest["Size"]["Content"] for manifest in manifests)
        lines.append(line(last, image["Id"], image["Size"], content, image.get("Containers", -1) > 0, full=full))
        for number, manifest in enumerate(manifests, 1):
            branch = "└─" if number == len(manifests) else "├─"
            data = manifest.get("ImageData") or {}
            name = f"{branch} {platform(data.get('Platform') or {})}"
            size, used = manifest["Size"], bool(data.get("Containers"))
            lines.append(line(name, manifest["ID"], size["Total"], size["Content"], used, full=full))
    for text in align("\n".join(lines)).split("\n"):
        call.out.line(text.rstrip())


def line(name: str, digest: str, total: int, content: int, is_used: bool, *, full: bool) -> str:
    """The cells of one line."""
    identity = digest if full else short_id(digest)
    return f"{name}\t{identity}\t{decimal_size(total, 3)}\t{decimal_size(content, 3)}\t{'U' if is_used else ''}"


def platform(value: dict[str, Any]) -> str:
    """`linux/arm64/v8`."""
    return "/".join(value[name] for name in ("os", "architecture", "variant") if value.get(name)) or "unknown"
