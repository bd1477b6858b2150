"""Which packages are installed in a tree? What the package databases of Debian, Alpine and Python say.

Read as the untrusted text that it is: nothing is run, sizes and counts are bounded, a record that makes no sense is
left out. Sources: dpkg's deb822(5), Alpine's "Apk spec", Python's "Recording installed projects".
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from sampan.builder.tree import Entry, Tree
from sampan.errors import InvalidRequest
from sampan.layers.tar import Kind

DPKG, DPKG_PARTS = b"var/lib/dpkg/status", b"var/lib/dpkg/status.d"
APK = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")
RELEASE = (b"etc/os-release", b"usr/lib/os-release")
DATABASE_BYTES_MAX = 64 << 20
METADATA_BYTES_MAX = 4 << 20
PACKAGES_MAX = 5_000
DIRECTORIES_MAX = 500_000
FIELD_MAX = 1024
SKIPPED = frozenset({b"proc", b"sys", b"dev"})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """One installed package. `purl` is its package URL (https://github.com/package-url/purl-spec)."""

    name: str
    version: str
    purl: str


def packages_of(tree: Tree) -> list[Package]:
    """All of them, sorted, each once. Raises InvalidRequest when there are more than a list of them may have."""
    found: set[Package] = set()
    release = _release(tree)
    for package in (*_debian(tree, release), *_alpine(tree, release), *_python(tree)):
        found.add(package)
        if len(found) > PACKAGES_MAX:
            raise InvalidRequest(f"the image has more than {PACKAGES_MAX} packages: too many for an SBOM")
    return sorted(found)


def _debian(tree: Tree, release: Mapping[str, str]) -> Iterator[Package]:
    texts = [_text(tree, DPKG, DATABASE_BYTES_MAX)]
    parts = _found(tree, DPKG_PARTS)
    if parts is not None and parts.is_directory:  # images without a package manager have a file for each
        for part, entry in tree.children(parts):
            if entry.kind is Kind.FILE and not part.endswith(b".md5sums"):
                texts.append(_content(tree, entry, METADATA_BYTES_MAX))
    distro = _distro(release, "debian")
    for record in (_fields(paragraph) for text in texts for paragraph in text.split("\n\n")):
        name, version, architecture = (record.get(key, "") for key in ("Package", "Version", "Architecture"))
        # Files of status.d have no Status: what is there is installed.
        if name and version and record.get("Status", "install ok installed").endswith(" installed"):
            purl = f"pkg:deb/{distro[0]}/{_quoted(name)}@{_quoted(version)}?arch={_quoted(architecture)}{distro[1]}"
            yield Package(name=name, version=version, purl=purl)


def _alpine(tree: Tree, release: Mapping[str, str]) -> Iterator[Package]:
    distro = _distro(release, "alpine")
    for path in APK:
        for paragraph in _text(tree, path, DATABASE_BYTES_MAX).split("\n\n"):
            record = dict(line.partition(":")[::2] for line in paragraph.splitlines() if line[1:2] == ":")
            name, version = (record.get(key, "")[:FIELD_MAX] for key in "PV")
            if name and version:
                arch = _quoted(record.get("A", "")[:FIELD_MAX])
                purl = f"pkg:apk/{distro[0]}/{_quoted(name)}@{_quoted(version)}?arch={arch}{distro[1]}"
                yield Package(name=name, version=version, purl=purl)


def _python(tree: Tree) -> Iterator[Package]:
    """What has a METADATA below `*.dist-info`, or a PKG-INFO below `*.egg-info`, anywhere."""
    pending, seen = [tree.root], 0
    while pending:
        directory = pending.pop()
        seen += 1
        if seen > DIRECTORIES_MAX:
            raise InvalidRequest(f"the image has more than {DIRECTORIES_MAX} directories: too many for an SBOM")
        for name, entry in tree.children(directory):
            if not entry.is_directory or (directory is tree.root and name in SKIPPED):
                continue
            wanted = {b".dist-info": b"METADATA", b".egg-info": b"PKG-INFO"}.get(os.path.splitext(name)[1])
            if wanted is None:
                pending.append(entry)
                continue
            metadata = tree.child(entry, wanted)
            if metadata is None or metadata.kind is not Kind.FILE:
                continue
            record = _fields(_content(tree, metadata, METADATA_BYTES_MAX).partition("\n\n")[0])
            if record.get("Name") and record.get("Version"):
                plain = record["Name"].lower().replace("_", "-")
                purl = f"pkg:pypi/{_quoted(plain)}@{_quoted(record['Version'])}"
                yield Package(name=record["Name"], version=record["Version"], purl=purl)


def _release(tree: Tree) -> Mapping[str, str]:
    for path in RELEASE:
        text = _text(tree, path, METADATA_BYTES_MAX)
        if text:
            lines = (line.partition("=") for line in text.splitlines() if "=" in line)
            return {key.strip(): value.strip().strip("\"'")[:FIELD_MAX] for key, _, value in lines}
    return {}


def _distro(release: Mapping[str, str], default: str) -> tuple[str, str]:
    """The purl's namespace, and what it says of the release."""
    name = release.get("ID") or default
    version = release.get("VERSION_ID", "")
    return _quoted(name), f"&distro={_quoted(f'{name}-{version}')}" if version else ""


def _fields(paragraph: str) -> dict[str, str]:
    """`Name: value` lines; what goes on in the next line is left out."""
    found: dict[str, str] = {}
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line[:1].isspace() and len(value) <= FIELD_MAX:
            found.setdefault(name, value.strip())
    return found


def _found(tree: Tree, path: bytes) -> Entry | None:
    try:
        return tree.resolve(path)[1]
    except InvalidRequest:
        return None  # links in a circle: there is nothing


def _text(tree: Tree, path: bytes, limit: int) -> str:
    entry = _found(tree, path)
    return _content(tree, entry, limit) if entry is not None and entry.kind is Kind.FILE else ""


def _content(tree: Tree, file: Entry, limit: int) -> str:
    if file.inode.size > limit:
        raise InvalidRequest(f"a package database of the image is larger than {limit} bytes: too large for an SBOM")
    return b"".join(tree.data(file)).decode(errors="replace")


def _quoted(text: str) -> str:
    return quote(text, safe="")
