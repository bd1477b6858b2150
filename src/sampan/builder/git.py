"""How do the files of a git repository come to a build, for contexts and for ADD?

A process of our own (`git_reader`) fetches one commit and writes its files as a tar, with bounds on time, memory and
disk that end it and not the daemon. Nothing is checked out, so no link, hook or configuration of a repository ever
meets the host's files (security catalogue E09–E11). What it is asked comes on its standard input: passwords of a URL
are in no argument and no environment.
"""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sampan.builder.fetch import shown
from sampan.errors import InvalidRequest, NotSupported, Unavailable

SECONDS = 900
ANSWER_BYTES_MAX = 1 << 16
SCHEMES = ("http", "https", "git")
REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,254}", re.ASCII)
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
KEPT_VARIABLES = ("PATH", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", *PROXIES, *(name.upper() for name in PROXIES))
READER = "sampan.builder.git_reader"
TAR_NAME = "tree.tar"
SUBMODULES = "submodules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A commit, or a directory of it. `url` has no user, password or fragment; `ref` "" is the repository's HEAD."""

    url: str
    user: str = ""
    password: str = ""
    ref: str = ""
    directory: str = ""
    submodules: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files of a commit as a tar."""

    commit: str
    tar: Path


def is_git(url: str) -> bool:
    """Whether docker would take the URL for a git repository."""
    plain = url.partition("#")[0].partition("?")[0]
    return url.startswith(("git://", "git@", "github.com/", "ssh://")) or plain.endswith(".git")


def parse_address(text: str) -> Address:
    """`URL[?submodules=true][#REF[:DIRECTORY]]`. Raises InvalidRequest, NotSupported for ssh.

    Docker follows submodules unless told `submodules=false`; here they are asked for (security catalogue E11).
    """
    text, _, fragment = text.partition("#")
    if text.startswith(("git@", "ssh://")):
        raise NotSupported(f"the git repository {shown(text)} is behind ssh, which is not supported: use https")
    url = urlsplit("https://" + text if text.startswith("github.com/") else text)
    try:
        port = url.port
    except ValueError:
        raise InvalidRequest(f"invalid git URL {shown(text)}") from None
    host = url.hostname or ""
    if url.scheme not in SCHEMES or not host or host.startswith("-") or not text.isascii() or not text.isprintable():
        raise InvalidRequest(f"invalid git URL {shown(text)}: it is http://, https:// or git://HOST/PATH")
    ref, _, directory = fragment.partition(":")
    parts = [part for part in directory.split("/") if part not in ("", ".")]
    if ref and (not REF.fullmatch(ref) or ".." in ref):
        raise InvalidRequest(f"invalid git ref {ref!r}")
    if ".." in parts or "\0" in directory:
        raise InvalidRequest(f"invalid directory {directory!r} of a git repository: it leads out of it")
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    words = url.query.split("&") if url.query else []
    query = "&".join(word for word in words if word.partition("=")[0] != SUBMODULES)
    return Address(
        url=f"{url.scheme}://{place}{url.path}" + (f"?{query}" if query else ""), user=unquote(url.username or ""),
        password=unquote(url.password or ""), ref=ref, directory="/".join(parts),
        submodules=any(word in (SUBMODULES, f"{SUBMODULES}=1", f"{SUBMODULES}=true") for word in words),
    )  # fmt: skip


async def read_git(text: str, directory: Path, *, keep_git_dir: bool) -> Fetched:
    """Fetch what a git URL names into the new `directory`. Raises InvalidRequest, NotSupported, Unavailable."""
    address = parse_address(text)
    directory.mkdir(0o700)
    asked = {
        "url": address.url, "user": address.user, "password": address.password, "ref": address.ref,
        "directory": address.directory, "submodules": address.submodules, "keep_git_dir": keep_git_dir, "tar": TAR_NAME,
    }  # fmt: skip
    answer = await _run(asked, directory, shown(address.url))
    if "error" in answer:
        raise InvalidRequest(f"failed to read the git repository {shown(address.url)}: {answer['error']}")
    return Fetched(str(answer["commit"]), directory / TAR_NAME)


async def _run(asked: dict[str, Any], directory: Path, about: str) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", READER, cwd=directory, env=environment | {"HOME": "/nonexistent"},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin and process.stdout
    try:
        async with asyncio.timeout(SECONDS):
            process.stdin.write(json.dumps(asked).encode())
            process.stdin.close()
            text = await process.stdout.read(ANSWER_BYTES_MAX)
            await process.wait()
    except TimeoutError:
        raise Unavailable(f"the git repository {about} took longer than {SECONDS} seconds") from None
    except OSError:
        text = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        answer = json.loads(text)
    except ValueError:
        raise Unavailable(f"the git repository {about} needs more time or memory than a build may take") from None
    assert isinstance(answer, dict)
    return answer
