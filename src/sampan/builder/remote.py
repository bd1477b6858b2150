"""Where is the context when the client names a URL instead of sending one (`remote=`)?

A git repository is the context, and so is a tar; any other file is the Dockerfile of a build without context, as
with docker.
"""

import io
import secrets
from dataclasses import replace
from typing import BinaryIO

from sampan.builder.context import Workspace
from sampan.builder.fetch import fetch, shown
from sampan.builder.git import is_git, read_git
from sampan.builder.request import BuildRequest
from sampan.errors import InvalidRequest
from sampan.layers.compression import open_decompressed
from sampan.layers.header import BLOCK, BadLayer, verify_checksum
from sampan.layers.stream import Source, Stream

CONTEXT_BYTES_MAX = 16 << 30
DOCKERFILE_BYTES_MAX = 4 << 20
KEEP_GIT_DIR = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"


async def remote_context(request: BuildRequest, workspace: Workspace) -> tuple[BuildRequest, Source | None]:
    """Fetch what `remote` names; the request and the context as if the client had sent them.

    Raises InvalidRequest, Unavailable, NotSupported for git over ssh.
    """
    url = request.remote
    if is_git(url):
        keep = request.arguments.get(KEEP_GIT_DIR) in ("1", "true")
        found = await read_git(url, workspace.path / secrets.token_hex(8), keep_git_dir=keep)
        return request, io.BufferedReader(io.FileIO(found.tar))
    if not url.startswith(("http://", "https://")):
        raise InvalidRequest(f"unable to prepare context: unsupported remote {shown(url)}")
    fetched = await fetch(url, workspace.path / secrets.token_hex(8), bytes_max=CONTEXT_BYTES_MAX)
    file: BinaryIO = io.BufferedReader(io.FileIO(fetched.path))
    if _is_tar(file):
        file.seek(0)
        return request, file
    if fetched.size > DOCKERFILE_BYTES_MAX:
        raise InvalidRequest(f"{shown(url)} is neither a tar nor a Dockerfile")
    try:
        text = fetched.path.read_text()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{shown(url)} is neither a tar nor a Dockerfile") from None
    finally:
        file.close()
    return replace(request, text=text), None


def _is_tar(file: BinaryIO) -> bool:
    try:
        block = Stream(open_decompressed(file)).read(BLOCK)
        verify_checksum(block)
    except BadLayer:
        return False
    return len(block) == BLOCK
