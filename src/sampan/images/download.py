"""How does a tar come from a URL? For `docker import http://…`; http and https only, also where it redirects to.

The standard library does it: this runs in the thread that imports. Proxies are those of the daemon's environment.
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sampan.content.store import Readable
from sampan.errors import InvalidRequest, NotFound, Unavailable
from sampan.images.progress import Emit

SECONDS = 60.0  # for the connection, and for each read
SHOWN_BYTES = 512
STEP_BYTES = 512 << 10
SCHEMES = ("http", "https")


class Download:
    """What comes from a URL, telling how far it is; a body that is shorter than was said is an error."""

    def __init__(self, response: http.client.HTTPResponse, url: str, emit: Emit) -> None:
        self._response, self._url, self._emit = response, url, emit
        self._total = response.length or 0
        self._received = self._shown = 0

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end. Raises Unavailable."""
        try:
            data = self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"Get {self._url!r}: {error or type(error).__name__}") from None
        if not data and self._received < self._total:
            raise Unavailable(f"Get {self._url!r}: unexpected EOF after {self._received} of {self._total} bytes")
        self._received += len(data)
        if self._received - self._shown >= STEP_BYTES or not data:
            self._shown = self._received
            detail = {"current": self._received, "total": self._total}
            self._emit({"status": "Importing", "progressDetail": detail})
        return data


def full_url(source: str) -> str:
    """The URL that `fromSrc` means: http unless it says otherwise. Raises InvalidRequest."""
    url = source if "://" in source else f"http://{source}"
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        raise InvalidRequest(f'Get "{url}": unsupported protocol scheme "{scheme}"')
    if not rest.partition("/")[0]:
        raise InvalidRequest(f'Get "{url}": http: no Host in request URL')
    return url


@contextmanager
def downloaded(url: str, emit: Emit) -> Iterator[Readable]:
    """The body of the answer to a GET of `url`. Raises NotFound, Unavailable, before anything is told."""
    # No handler for ftp, file and data: a redirect must not lead there either.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(), urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    try:
        response = opener.open(urllib.request.Request(url, headers={"User-Agent": "sampan"}), timeout=SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(SHOWN_BYTES).decode(errors="replace").strip()
        sentence = f"failed to GET {url} with status {error.code} {error.reason}: {said}"
        raise (NotFound if error.code == 404 else Unavailable)(sentence) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f'Get "{url}": {getattr(error, "reason", error)}') from None
    with closing(response):
        emit({"status": f"Downloading from {url}"})
        yield Download(response, url, emit)
