"""What does a Dockerfile of the corpus say, and what became of it? See tests/corpus/README.md."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from archives import file, tar

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
RECORDED = CORPUS / "recorded.json"
SHOWN = 80  # bytes of a file that a line of a tree shows; of longer ones it has the digest
COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
# What the image's config has of a Dockerfile. Hostname and the like are the classic builder's leftovers.
KEYS = (
    "User", "ExposedPorts", "Env", "Cmd", "Healthcheck", "Volumes", "WorkingDir", "Entrypoint", "OnBuild", "Labels",
    "StopSignal", "Shell",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """One case; `wanted` is what is said beside it, for what the recorded engine cannot build."""

    name: str
    text: str
    files: Mapping[str, Any]
    ignore: str
    args: Mapping[str, str]
    target: str
    newer: bool
    error: str
    wanted: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name


def cases(base: str) -> list[Dockerfile]:
    """Every case, with `base` for the word busybox."""
    found = []
    for path in sorted(CORPUS.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text()):
            text = re.sub(r"\bbusybox\b", base, case["dockerfile"])
            wanted = {key: case[key] for key in ("config", "tree") if key in case}
            found.append(
                Dockerfile(
                    case["name"], text, case.get("files", {}), case.get("ignore", ""), case.get("args", {}),
                    case.get("target", ""), case.get("only") == "newer", case.get("error", ""), wanted,
                )
            )  # fmt: skip
    return found


def recorded() -> dict[str, dict[str, Any]]:
    """What the real dockerd made of the cases, by name."""
    return dict(json.loads(RECORDED.read_text())) if RECORDED.exists() else {}


def write_context(case: Dockerfile, directory: Path) -> None:
    """Lay the context of a case."""
    for name, content in {**case.files, "Dockerfile": case.text, ".dockerignore": case.ignore}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif name == ".dockerignore" and not content:
            continue
        elif isinstance(content, str):
            path.write_bytes(content.encode())
        else:
            _write_special(path, content)


def _write_special(path: Path, content: Mapping[str, Any]) -> None:
    if "link" in content:
        os.symlink(content["link"], path)
    elif "tar" in content:
        packed = tar(file(name, text.encode(), mode=0o644) for name, text in content["tar"].items())
        path.write_bytes(COMPRESSORS.get(content.get("compress", ""), bytes)(packed))
    elif "gzip" in content:
        path.write_bytes(gzip.compress(content["gzip"].encode(), mtime=0))
    else:
        path.write_text(content["text"])
        path.chmod(int(content["mode"], 8))


def config(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """What an image's config says; what is empty is left out, since engines differ in how they say nothing.

    BuildKit says "/" where the classic builder says "", and takes the last slash off.
    """
    said = dict(inspected["Config"])
    said["WorkingDir"] = (said.get("WorkingDir") or "").rstrip("/")
    return {key: said[key] for key in KEYS if said.get(key)}


def layers(archive: bytes) -> list[bytes]:
    """The layers of a saved image, bottom first."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as outer:
        manifest = json.loads(_read(outer, "manifest.json"))
        return [_read(outer, name) for name in manifest[0]["Layers"] or ()]


def tree(image: list[bytes], base: list[bytes]) -> dict[str, str]:
    """The paths of an image, given by its layers; if it stands on `base`, only those that it changed."""
    found = _flattened(image)
    if not base or image[: len(base)] != base:
        return found
    before = _flattened(base)
    changed = {path: line for path, line in found.items() if before.get(path) != line}
    return {**changed, **{path: "gone" for path in before if path not in found}}


def _flattened(image: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for layer in image:
        with tarfile.open(fileobj=io.BytesIO(layer)) as members:
            for member in members:
                _apply(members, member, found)
    return found


def _apply(layer: tarfile.TarFile, member: tarfile.TarInfo, found: dict[str, str]) -> None:
    path = "/" + member.name.removeprefix("./").strip("/")
    head, name = os.path.split(path)
    if name.startswith(".wh."):
        hidden = head if name == ".wh..wh..opq" else os.path.join(head, name.removeprefix(".wh."))
        gone = [known for known in found if known.startswith(hidden.rstrip("/") + "/")]
        for known in gone if name == ".wh..wh..opq" else [*gone, hidden]:
            found.pop(known, None)
    elif path not in ("/", "/.", "/.dockerenv"):
        if not member.isdir():
            for known in [known for known in found if known.startswith(path + "/")]:
                del found[known]
        found[path] = _line(layer, member)


def _line(layer: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.issym():
        return f"l -> {member.linkname}"
    if member.islnk():
        return f"h -> /{member.linkname.removeprefix('./').lstrip('/')}"
    kind = "d" if member.isdir() else "p" if member.isfifo() else "-" if member.isfile() else "?"
    head = f"{kind} {member.mode & 0o7777:04o} {member.uid}:{member.gid}"
    if kind != "-":
        return head
    stream = layer.extractfile(member)
    content = stream.read() if stream else b""
    shown = content.decode() if len(content) <= SHOWN and content.isascii() and b"\0" not in content else ""
    return f"{head} {shown if shown or not content else 'sha256:' + hashlib.sha256(content).hexdigest()}"


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.getmember(name)
    if member.issym():  # dockerd 20.10 saves a layer once and links to it
        member = archive.getmember(os.path.normpath(os.path.join(os.path.dirname(name), member.linkname)))
    stream = archive.extractfile(member)
    assert stream is not None, name
    return stream.read()
