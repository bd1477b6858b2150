"""ADD from the net: each URL becomes a tree, of one file or of a repository's, which is then copied like any other."""

import os
import posixpath
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from sampan.builder.build import Build
from sampan.builder.dockerfile.instructions import Add
from sampan.builder.fetch import Fetched, fetch, name_of, shown
from sampan.builder.git import is_git, read_git
from sampan.builder.operations.transfer import Words
from sampan.errors import InvalidRequest
from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.stream import Pieces
from sampan.layers.tar import NO_XATTRS, Kind, Member

CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
MODE = 0o600
PIECE = 1 << 20
COMMIT = re.compile(r"[0-9a-f]{7,40}", re.ASCII)


async def download(build: Build, instruction: Add, words: Words) -> list[tuple[bytes, Pieces]]:
    """Fetch the remote sources of an ADD: (name, a tar of that one file), or (b"", a tar of a repository).

    Raises InvalidRequest, Unavailable, NotSupported for git over ssh.
    """
    are_git = any(is_git(url) for url in words.remote)
    if words.checksum and not (COMMIT if are_git else CHECKSUM).fullmatch(words.checksum):
        wanted = "a commit" if are_git else "sha256: and 64 digits"
        raise InvalidRequest(f'unsupported checksum "{words.checksum}": it is {wanted}')
    if words.checksum and (len(words.remote) != 1 or words.sources):
        raise InvalidRequest("checksum can't be specified for multiple sources")
    found = []
    for url in words.remote:
        if is_git(url):
            found.append((b"", await _repository(build, instruction, words, url)))
            continue
        name = name_of(url)
        if not name:
            if words.target.endswith("/"):
                raise InvalidRequest(f"cannot determine filename for url: {shown(url)}")
            name = posixpath.basename(words.target)
        fetched = await fetch(url, build.workspace.path / secrets.token_hex(8))
        if words.checksum and fetched.digest != words.checksum:
            raise InvalidRequest(f"digest mismatch {fetched.digest}: {words.checksum}")
        found.append((os.fsencode(name), Pieces(_tar(os.fsencode(name), fetched))))
    return found


async def _repository(build: Build, instruction: Add, words: Words, url: str) -> Pieces:
    place = build.workspace.path / secrets.token_hex(8)
    cloned = await read_git(url, place, keep_git_dir=bool(instruction.keep_git_dir))
    if words.checksum and not cloned.commit.startswith(words.checksum):
        raise InvalidRequest(f"digest mismatch {cloned.commit}: {words.checksum}")
    return Pieces(_file(cloned.tar))


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _tar(name: bytes, fetched: Fetched) -> Iterator[bytes]:
    yield encode(Member(name, Kind.FILE, MODE, 0, 0, fetched.size, fetched.mtime_ns, b"", (0, 0), NO_XATTRS, 0))
    yield from _file(fetched.path)
    yield padding(fetched.size)
    yield END_OF_ARCHIVE
