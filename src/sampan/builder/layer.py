"""How does a placement become the tar of a layer?

Members in order, their bytes straight from the tar that holds them; nothing is mounted and nothing is unpacked.
"""

from collections.abc import Iterator

from sampan.builder.place import Placement, newest
from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.tar import Kind

EPOCH_NAME = "SOURCE_DATE_EPOCH"


def layer_bytes(placement: Placement, *, otherwise_ns: int, epoch_ns: int | None = None) -> Iterator[bytes]:
    """The bytes of the layer; the same placement always gives the same.

    Directories that had to be made get the latest time of what was copied, or `otherwise_ns`. No time is later than
    `epoch_ns`.
    """
    members = placement.members()
    made_ns = newest(members, placement.implied) or otherwise_ns
    for placed in placement.with_hard_links():
        member = placed.member
        if member.path in placement.implied:
            member = member._replace(mtime_ns=made_ns)
        mtime_ns = member.mtime_ns if epoch_ns is None else min(member.mtime_ns, epoch_ns)
        # Whole seconds, as in docker's layers: fractions would double the headers.
        yield encode(member._replace(mtime_ns=mtime_ns - mtime_ns % 10**9))
        if member.kind is Kind.FILE:
            yield from placed.data()
            yield padding(member.size)
    yield END_OF_ARCHIVE
