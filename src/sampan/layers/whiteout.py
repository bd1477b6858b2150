"""What does a layer say to overlayfs, and what may it not say?

A deletion travels in a tar as an empty file (image-spec layer.md, "Whiteouts"); overlayfs wants something else
(Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"):

    in the tar              in the store                        meaning
    dir/.wh.NAME            dir/NAME, a 0/0 character device    NAME of the layers below is gone
    dir/.wh..wh..opq        trusted.overlay.opaque=y on dir     all of dir of the layers below is gone
    .wh..wh.ANYTHING        nothing                             AUFS' own bookkeeping, at the top only

A whiteout speaks of the layers below only: what the same layer puts there stays, whichever comes first. So NAME deleted
and made again as a directory is an opaque directory. A 0/0 character device that comes as such is the whiteout that
overlayfs would take it for.

Attributes that steer overlayfs (trusted.overlay.redirect, …) never come from an image; see `admitted`.
"""

from collections.abc import Mapping
from enum import Enum

from sampan.layers.header import BadLayer
from sampan.layers.tar import NO_XATTRS, Kind

PREFIX = b".wh."
OPAQUE_NAME = b".wh..wh..opq"
METADATA_PREFIX = b".wh..wh."
OPAQUE_XATTR = b"trusted.overlay.opaque"
OPAQUE_VALUE = b"y"


class Mark(Enum):
    """What a name says beyond being a name."""

    NONE = "an ordinary name"
    DELETED = "a whiteout"
    OPAQUE = "an opaque marker"
    METADATA = "bookkeeping to be ignored"


def classify(name: bytes) -> tuple[Mark, bytes]:
    """The mark that the last component of a path carries, and the name that it speaks of."""
    if not name.startswith(PREFIX):
        return Mark.NONE, name
    if name == OPAQUE_NAME:
        return Mark.OPAQUE, b""
    if name.startswith(METADATA_PREFIX):
        return Mark.METADATA, b""
    deleted = name[len(PREFIX) :]
    if deleted in (b"", b".", b".."):
        raise BadLayer(f"invalid whiteout {name!r}")
    return Mark.DELETED, deleted


def admitted(kind: Kind, xattrs: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """The extended attributes of a member that may enter the store.

    File capabilities on files and user.* where the kernel takes them (xattr(7): files and directories). All else is
    dropped: trusted.* and user.overlay.* speak to overlayfs, the rest of security.* and system.* to the host's own
    policy.
    """
    if not xattrs:
        return NO_XATTRS
    return {
        name: value
        for name, value in xattrs.items()
        if (name == b"security.capability" and kind is Kind.FILE)
        or (
            name.startswith(b"user.")
            and len(name) > len(b"user.")
            and not name.startswith(b"user.overlay.")
            and kind in (Kind.FILE, Kind.DIRECTORY)
        )
    }
