"""What does it mean when a registry does not do what it was asked?

Its error body (distribution-spec, "Error codes") and the ways in which a connection fails become the sentences that
dockerd has for them: Go's words, since that is what people search for.
"""

import asyncio
import ssl

import aiohttp

from sampan.errors import Forbidden, InvalidRequest, NotFound, SampanError
from sampan.oci.fields import Fields
from sampan.oci.strict import decode
from sampan.registry.auth import Unauthorized

MAX_SHOWN = 600
_REASONS = {111: "connection refused", 113: "no route to host", 101: "network is unreachable", 104: "connection reset"}


class RegistryError(SampanError):
    """The registry failed, or cannot be reached.

    `passes`: the same request may work in a moment. `is_limit`: it was one too many, `wait_seconds` are asked for.
    """

    def __init__(self, sentence: str, *, passes: bool = False, is_limit: bool = False, wait_seconds: float = 0) -> None:
        super().__init__(sentence)
        self.passes = passes
        self.is_limit = is_limit
        self.wait_seconds = wait_seconds


class Absent(NotFound):
    """The registry has no such thing. `code` is the error code that it gave."""

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class Denied(Forbidden):
    """The registry will not show or take it from these credentials."""


def of_status(status: int, reason: str, body: bytes, *, retry_after: str = "", limit: str = "") -> SampanError:
    """The failure that an answer means. `limit` is what the registry says about its rate limit, if it does."""
    code, sentence = _first_error(body)
    if status == 429 or code == "TOOMANYREQUESTS":
        return _limited(sentence, retry_after, limit)
    if status == 401 or code == "UNAUTHORIZED":
        return Unauthorized(sentence or "unauthorized: authentication required")
    if status == 403 or code == "DENIED":
        return Denied(sentence or "denied: requested access to the resource is denied")
    if status == 404:
        return Absent(sentence or f"received unexpected HTTP status: 404 {reason}".rstrip(), code)
    if status == 416:
        return RegistryError("the registry cannot continue in the middle of a blob", passes=True)
    text = sentence or f"received unexpected HTTP status: {status} {reason}".rstrip()
    if status in (400, 405, 413, 414, 415, 422):
        return InvalidRequest(text)
    return RegistryError(text, passes=status >= 500 or status == 408)


def _limited(sentence: str, retry_after: str, limit: str) -> RegistryError:
    wait = float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 7 else 0.0
    text = sentence or "toomanyrequests: too many requests"
    if limit:
        text += f" (the registry's limit: {limit[:80]})"
    text += f"; it asks to wait {wait:.0f} seconds" if wait else ""
    text += ". Logging in raises the limit of most registries"
    return RegistryError(text, passes=True, is_limit=True, wait_seconds=wait)


def _first_error(body: bytes) -> tuple[str, str]:
    """(code, Go's sentence) of the first error in a body; ("", "") where it is not one."""
    try:
        errors = Fields(decode(body, what="error"), "error").items("errors")
        if not errors:
            return "", ""
        code, message = errors[0].text("code"), errors[0].text("message")
    except InvalidRequest:
        return "", ""
    words = code.lower().replace("_", " ") if code != "TOOMANYREQUESTS" else "toomanyrequests"
    return code, _printable(f"{words or 'unknown'}: {message or words}")


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_SHOWN])


def of_exception(error: BaseException, method: str, url: str) -> RegistryError:
    """The failure that an exception of aiohttp means, told as Go's HTTP client tells it."""
    verb = method.capitalize()
    return RegistryError(f'{verb} "{shown_url(url)}": {_why(error)}', passes=_passes(error))


def shown_url(url: str) -> str:
    """A URL as it may be shown: the query of a signed URL is a secret, and so is what stands before an @."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    authority, slash, path = rest.partition("/")
    return _printable(f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}")


def _passes(error: BaseException) -> bool:
    certificate = isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError | aiohttp.ClientSSLError)
    return not certificate and not isinstance(error, aiohttp.InvalidURL)


def _why(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        return f"tls: failed to verify certificate: x509: {_printable(reason)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ssl.SSLError):
            return f"tls: {_printable(error.os_error.reason or 'handshake failure').lower().replace('_', ' ')}"
        number = error.os_error.errno or 0
        reason = _REASONS.get(number, error.os_error.strerror or "connection failed")
        return f"dial tcp {error.host}:{error.port}: connect: {reason}"
    if isinstance(error, asyncio.TimeoutError):
        return "context deadline exceeded (the registry did not answer in time)"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionError):
        return "EOF: the connection was closed too early"
    return _printable(str(error)) or type(error).__name__
