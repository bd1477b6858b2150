"""ADD from the net: each URL becomes a tree of one file, which is then copied like any other."""

import os
import posixpath
import re
import secrets
from collections.abc import Iterator

from sampan.builder.build import Build
from sampan.builder.dockerfile.instructions import Add
from sampan.builder.fetch import Fetched, fetch, name_of, shown
from sampan.builder.operations.transfer import Words
from sampan.errors import InvalidRequest, NotSupported
from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.stream import Pieces
from sampan.layers.tar import NO_XATTRS, Kind, Member

CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
MODE = 0o600
PIECE = 1 << 20
GIT = ("git://", "git@", "ssh://")


async def download(build: Build, instruction: Add, words: Words) -> list[tuple[bytes, Pieces]]:
    """Fetch the remote sources of an ADD: (name, a tar of that one file). Raises InvalidRequest, Unavailable."""
    if words.checksum and not CHECKSUM.fullmatch(words.checksum):
        raise InvalidRequest(f'unsupported checksum "{words.checksum}": it is sha256: and 64 digits')
    if words.checksum and (len(words.remote) != 1 or words.sources):
        raise InvalidRequest("checksum can't be specified for multiple sources")
    found = []
    for url in words.remote:
        if url.startswith(GIT) or url.partition("#")[0].endswith(".git"):
            raise NotSupported(f"ADD of the git repository {shown(url)} is not supported: clone it in a RUN")
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


def _tar(name: bytes, fetched: Fetched) -> Iterator[bytes]:
    yield encode(Member(name, Kind.FILE, MODE, 0, 0, fetched.size, fetched.mtime_ns, b"", (0, 0), NO_XATTRS, 0))
    with fetched.path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
    yield padding(fetched.size)
    yield END_OF_ARCHIVE
