"""How does a placement become the tar of a layer?

Members in order, their bytes straight from the tar that holds them; nothing is mounted and nothing is unpacked.
"""

from collections.abc import Iterator

from sampan.builder.place import Placement, newest
from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.header import BLOCK
from sampan.layers.tar import Kind, Member

EPOCH_NAME = "SOURCE_DATE_EPOCH"


def layer_bytes(
    placement: Placement, *, otherwise_ns: int, epoch_ns: int | None = None, told: list[Member] | None = None
) -> Iterator[bytes]:
    """The bytes of the layer; the same placement always gives the same. `told` hears of each member.

    Directories that had to be made get the latest time of what was copied, or `otherwise_ns`. No time is later than
    `epoch_ns`.
    """
    members = placement.members()
    made_ns = newest(members, placement.implied) or otherwise_ns
    told = [] if told is None else told
    position = 0
    for placed in placement.with_hard_links(members):
        member = placed.member
        mtime_ns = made_ns if member.path in placement.implied else member.mtime_ns
        if epoch_ns is not None:
            mtime_ns = min(mtime_ns, epoch_ns)
        # Whole seconds, as in docker's layers: fractions would double the headers.
        member = member._replace(mtime_ns=mtime_ns - mtime_ns % 10**9)
        header = encode(member)
        position += len(header)
        told.append(member._replace(offset=position))
        yield header
        position += member.size + -member.size % BLOCK
        if member.kind is Kind.FILE:
            yield from placed.data()
            yield padding(member.size)
    yield END_OF_ARCHIVE
