"""How is a member written into a tar?

The other direction of `tar`: a POSIX ustar header, with a pax header in front when something does not fit into it (a
long name, nanoseconds, attributes, large numbers). The same member always gives the same bytes. Names are bytes;
those that are not UTF-8 are declared as such (POSIX.1-2017 pax, `hdrcharset=BINARY`).
"""

from sampan.layers.header import BLOCK, CHECKSUM, FIELDS, sum_of
from sampan.layers.tar import KINDS, SCHILY_XATTR, Kind, Member

END_OF_ARCHIVE = bytes(2 * BLOCK)
FLAGS = {kind: flag for flag, kind in KINDS.items() if flag not in b"\0" + b"7"}
NAME_BYTES = 100
ID_MAX = 0o7777777
SIZE_MAX = 0o77777777777
PAX_NAME = b"PaxHeaders/0"


def encode(member: Member) -> bytes:
    """The header blocks of a member; its data follows, padded with `padding`."""
    records = _records(member)
    path = member.path + b"/" if member.kind is Kind.DIRECTORY and not member.path.endswith(b"/") else member.path
    if len(path) > NAME_BYTES:
        records[b"path"] = path
    if len(member.link) > NAME_BYTES:
        records[b"linkpath"] = member.link
    if any(not _is_utf8(records.get(key, b"")) for key in (b"path", b"linkpath")):
        records[b"hdrcharset"] = b"BINARY"
    header = _header(member, path, FLAGS[member.kind])
    if not records:
        return header
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    about = member._replace(mode=0o644, uid=0, gid=0, size=len(body), mtime_ns=0, link=b"", device=(0, 0))
    return _header(about, PAX_NAME, b"x") + body + padding(len(body)) + header


def padding(size: int) -> bytes:
    """What follows `size` bytes of data up to the next block."""
    return bytes(-size % BLOCK)


def _records(member: Member) -> dict[bytes, bytes]:
    records = {SCHILY_XATTR + name: value for name, value in member.xattrs.items()}
    seconds, nanoseconds = divmod(member.mtime_ns, 10**9)
    if nanoseconds or not 0 <= seconds <= SIZE_MAX:
        sign, whole = ("-", -member.mtime_ns) if member.mtime_ns < 0 else ("", member.mtime_ns)
        records[b"mtime"] = f"{sign}{whole // 10**9}.{whole % 10**9:09}".encode()
    for key, value, most in (
        (b"uid", member.uid, ID_MAX),
        (b"gid", member.gid, ID_MAX),
        (b"size", member.size, SIZE_MAX),
    ):
        if value > most:
            records[key] = str(value).encode()
    return records


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:  # the length counts its own digits
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def _header(member: Member, path: bytes, flag: bytes) -> bytes:
    is_device = flag in b"34"
    block = FIELDS.pack(
        path[:NAME_BYTES],
        b"%07o\0" % member.mode,
        b"%07o\0" % (member.uid if member.uid <= ID_MAX else 0),
        b"%07o\0" % (member.gid if member.gid <= ID_MAX else 0),
        b"%011o\0" % (member.size if member.size <= SIZE_MAX else 0),
        b"%011o\0" % (member.mtime_ns // 10**9 if 0 <= member.mtime_ns // 10**9 <= SIZE_MAX else 0),
        b" " * 8,
        flag,
        member.link[:NAME_BYTES],
        b"ustar\x0000",
        b"",
        b"",
        b"%07o\0" % member.device[0] if is_device else b"",
        b"%07o\0" % member.device[1] if is_device else b"",
        b"",
        b"",
    )
    return block[: CHECKSUM.start] + b"%06o\0 " % sum_of(block) + block[CHECKSUM.stop :]


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
