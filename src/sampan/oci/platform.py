"""For which machine is an image?

`os/architecture[/variant]` with Go's names (image-spec image-index.md, "platform"), as containerd's platforms package
reads and compares them.
"""

import os
import re
from dataclasses import dataclass

from sampan.errors import InvalidRequest
from sampan.oci.fields import Fields
from sampan.oci.strict import decode

_PART = re.compile(r"[A-Za-z0-9_.-]+")

_ARCHITECTURES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}
_KNOWN_ARCHITECTURES = frozenset(
    [
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
        "wasm",
    ]
)
_OPERATING_SYSTEMS = frozenset(
    [
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "illumos",
        "linux",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "wasip1",
        "windows",
    ]
)


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system, architecture and variant, in normal form."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def parse_platform(text: str) -> Platform:
    """`linux`, `arm64`, `linux/arm64` or `linux/arm/v7`; what is missing is this machine's. Raises InvalidRequest."""
    parts = text.split("/")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidRequest(f"{text!r} is an invalid platform: expected os[/architecture[/variant]]")
    if len(parts) == 1:
        return _from_one_word(parts[0], text)
    return normalize(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def parse_platform_json(text: str) -> Platform:
    """`{"os":"linux","architecture":"arm64"}`, as Docker's API has it in queries. Raises InvalidRequest."""
    fields = Fields(decode(text.encode(), what="platform", max_bytes=4096), "platform")
    parts = [fields.text("os"), fields.text("architecture"), fields.text("variant")]
    # An empty part in the middle would read as something else.
    if not parts[0] or not parts[1] or any("/" in part for part in parts):
        raise InvalidRequest("invalid platform: both OS and Architecture must be provided")
    return parse_platform("/".join(part for part in parts if part))


def normalize(operating_system: str, architecture: str, variant: str = "") -> Platform:
    """The same platform with the names that everybody compares by: `aarch64` is `arm64`, and `arm64/v8` is `arm64`."""
    operating_system = operating_system.lower() or "linux"
    if operating_system == "macos":
        operating_system = "darwin"
    architecture, variant = architecture.lower(), variant.lower()
    architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
    variant = variant or implied
    if architecture == "arm":
        variant = {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"}.get(variant, variant)
    elif (architecture, variant) in {("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")}:
        variant = ""
    return Platform(operating_system, architecture, variant)


def host_platform() -> Platform:
    """The platform of this machine."""
    return normalize("linux", os.uname().machine)


def satisfies(image: Platform, wanted: Platform) -> bool:
    """Whether an image for `image` answers a request for `wanted`; an unstated variant answers any."""
    if (image.os, image.architecture) != (wanted.os, wanted.architecture):
        return False
    return not wanted.variant or not image.variant or image.variant == wanted.variant


def _from_one_word(word: str, text: str) -> Platform:
    if word.lower() in _OPERATING_SYSTEMS or word.lower() == "macos":
        host = host_platform()
        return normalize(word, host.architecture, host.variant)
    found = normalize("linux", word)
    if found.architecture in _KNOWN_ARCHITECTURES:
        return found
    raise InvalidRequest(f"{text!r}: unknown operating system or architecture: invalid argument")
