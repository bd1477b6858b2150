"""How does a client tell what a build context holds, so that it sends no more than what has changed?

A listing: for every member, in the order in which they would be sent, its path and a fingerprint, each ended by a zero
byte. What a fingerprint is made of is the client's business; two that are equal, and not empty, mean that the member is
as it was. The engine answers with the positions of those that it wants, or with null when it has nothing to start from.
"""

from __future__ import annotations

from sampan.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LISTING_MAX = 64 << 20
ENTRIES_MAX = 500_000
KEY_MAX = 128


def write_listing(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The listing of (path, fingerprint) pairs."""
    return b"".join(b"%b\0%b\0" % entry for entry in entries)


def read_listing(listing: bytes) -> dict[bytes, bytes]:
    """Fingerprints by path, in order. Raises InvalidRequest."""
    fields = listing.split(b"\0")
    if fields.pop() or len(fields) % 2:
        raise InvalidRequest("the listing of the context is cut short")
    if len(fields) > 2 * ENTRIES_MAX:
        raise InvalidRequest(f"the context has more than {ENTRIES_MAX} files")
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    if 2 * len(found) != len(fields):
        raise InvalidRequest("the listing of the context names something twice")
    return found
