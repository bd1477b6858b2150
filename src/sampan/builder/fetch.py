"""How does a file come from the net, for ADD and for remote contexts?

http and https alone, with a bound on size, time and redirects. The name that a file gets is the last part of the URL's
path: what a server says in a header is not asked (security catalogue E14). Passwords in a URL are sent to its own
origin
and nowhere else, and are never shown (E16).
"""

import email.utils
import hashlib
import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp

from sampan.errors import InvalidRequest, Unavailable

BYTES_MAX = 16 << 30
SECONDS = 3600
CONNECT_SECONDS = 30
REDIRECTS_MAX = 10
PIECE = 1 << 18
OK = range(200, 300)
REDIRECTS = (301, 302, 303, 307, 308)
SCHEMES = ("http", "https")
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A downloaded file; `mtime_ns` is 0 where the server does not say."""

    path: Path
    size: int
    digest: str
    mtime_ns: int
    media_type: str


def shown(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"xxxxx@{host}" if "@" in parts.netloc else host, parts.path, parts.query, ""))


def name_of(url: str) -> str:
    """The file name that a URL ends in; "" when there is none. Raises InvalidRequest for one that could be a path."""
    name = posixpath.basename(unquote(urlsplit(url).path))
    if "/" in name or "\0" in name or name in (".", "..") or not name.isprintable():
        raise InvalidRequest(f"cannot determine filename for url: {shown(url)}")
    return name


async def fetch(url: str, path: Path, *, bytes_max: int = BYTES_MAX) -> Fetched:
    """Download `url` into the new file `path`. Raises InvalidRequest, Unavailable."""
    timeout = aiohttp.ClientTimeout(total=SECONDS, sock_connect=CONNECT_SECONDS, sock_read=CONNECT_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False, trust_env=True) as session:
            for _ in range(REDIRECTS_MAX):
                _check(url)
                async with session.get(url, allow_redirects=False) as response:
                    if response.status in REDIRECTS and "Location" in response.headers:
                        url = str(response.url.join(type(response.url)(response.headers["Location"])))
                        continue
                    if response.status not in OK:
                        raise InvalidRequest(f"failed to GET {shown(url)} with status {response.status}")
                    return await _keep(response, path, bytes_max)
            raise InvalidRequest(f"failed to GET {shown(url)}: more than {REDIRECTS_MAX} redirects")
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unavailable(f"failed to GET {shown(url)}: {type(error).__name__}") from None


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise InvalidRequest(f"only http and https can be downloaded from: {shown(url)}")


async def _keep(response: aiohttp.ClientResponse, path: Path, bytes_max: int) -> Fetched:
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, CREATE, 0o600)
    try:
        async for piece in response.content.iter_chunked(PIECE):
            size += len(piece)
            if size > bytes_max:
                raise InvalidRequest(f"{shown(str(response.url))} is larger than {bytes_max} bytes")
            digest.update(piece)
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
    return Fetched(
        path=path,
        size=size,
        digest="sha256:" + digest.hexdigest(),
        mtime_ns=_modified(response.headers.get("Last-Modified", "")),
        media_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
    )


def _modified(text: str) -> int:
    try:
        return max(0, int(email.utils.parsedate_to_datetime(text).timestamp())) * 10**9
    except (TypeError, ValueError, OverflowError):
        return 0
