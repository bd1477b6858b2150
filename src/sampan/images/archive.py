"""How is an archive of images taken in while it streams?

Once, front to back, nothing unpacked. An archive may name its layers before or after it holds them, so each member is
judged by its first bytes as it comes:

    a tar                    straight into the layer store; its name is found out by hashing
    compressed, blobs/…      a blob, as it came; decompressed later if some image needs it
    compressed, elsewhere    decompressed straight into the layer store
    anything small           kept in memory: manifests, configs
    anything large           a blob

The paths of members are only ever keys of a dictionary (security.md C17). Everything brought in is leased; what no
image turns out to need is gone when the lease ends.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

from sampan.content.store import Readable
from sampan.errors import InvalidRequest
from sampan.images.store import ImageStore, Lease
from sampan.layers.compression import open_decompressed
from sampan.layers.header import BLOCK, ZERO_BLOCK, BadLayer, verify_checksum
from sampan.layers.stream import Stream
from sampan.layers.tar import Kind, Member, read_members
from sampan.oci.digest import Digest, digest_of
from sampan.oci.strict import MAX_BYTES

MAX_MEMBERS = 20_000
MAX_MEMORY = 64 << 20
MAX_LINKS = 16

_BLOB = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]{64}|[0-9a-f]{128})")
_COMPRESSED = (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh")


@dataclass(frozen=True, slots=True)
class Text:
    """A small member, in memory."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Layer:
    """A member that is in the layer store."""

    diff_id: Digest


@dataclass(frozen=True, slots=True)
class Blob:
    """A member that is in the content store."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic or hard link, as the path of what it stands for."""

    target: str


Part = Text | Layer | Blob | Link
Progress = Callable[[str, int], None]
"""Told of each layer that has come in: what to call it, and its bytes in the archive."""


class Archive:
    """The members of one archive by their paths."""

    def __init__(self, store: ImageStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._parts: dict[str, Part] = {}
        self._in_memory = 0

    def __contains__(self, path: str) -> bool:
        return path in self._parts

    def text(self, path: str, what: str) -> bytes:
        """The bytes of a small member. Raises InvalidRequest."""
        part = self._resolve(path, what)
        if isinstance(part, Blob) and part.size <= MAX_BYTES:
            return self._store.content.read(part.digest)
        if not isinstance(part, Text):
            raise InvalidRequest(f"invalid archive: {what} {path!r} is not a document")
        return part.data

    def require_layer(self, path: str, position: int, diff_id: Digest) -> None:
        """Let the member be in the layer store. Raises InvalidRequest when it is not the layer `diff_id`."""
        part = self._resolve(path, "layer")
        if isinstance(part, Blob):
            part = self._ingest(self._store.content.open(part.digest), diff_id)
        if not isinstance(part, Layer):
            raise InvalidRequest(f"invalid archive: layer {path!r} is not a tar")
        if part.diff_id != diff_id:
            raise InvalidRequest(f'invalid diffID for layer {position}: expected "{diff_id}", got "{part.diff_id}"')

    def blob(self, path: str) -> Digest | None:
        """The digest under which the member is kept as it came; None if it is not."""
        part = self._resolve(path, "blob")
        return part.digest if isinstance(part, Blob) else None

    def keep(self, data: bytes) -> Digest:
        """Keep a document as a blob."""
        return self._lease.put_bytes(data)

    def read(self, stream: Readable, progress: Progress) -> None:
        """Take in everything. Raises InvalidRequest for what is no archive, or is cut, damaged or too large."""
        source = _Outer(open_decompressed(stream))
        for count, member in enumerate(read_members(source)):
            if count >= MAX_MEMBERS:
                raise InvalidRequest(f"invalid archive: more than {MAX_MEMBERS} members")
            path = _key(member.path)
            if member.kind is Kind.FILE:
                self._parts[path] = self._take(path, member, source, progress)
            elif member.kind is Kind.SYMLINK:
                self._parts[path] = Link(_key(posixpath.join(posixpath.dirname(path), _text(member.link))))
            elif member.kind is Kind.HARDLINK:
                self._parts[path] = Link(_key(member.link))
            elif member.kind is not Kind.DIRECTORY:
                raise InvalidRequest(f"invalid archive: {path!r} is neither a file, a directory nor a link")
        source.drain()

    def _take(self, path: str, member: Member, source: "_Outer", progress: Progress) -> Part:
        expected = _digest_in(path)
        if expected and expected.startswith("sha256:") and self._lease.keep_layer(expected):
            # It is here, whole and verified; what the archive has under this name adds nothing.
            return Layer(expected)
        bounded = _Bounded(source, member.size)
        head = bounded.peek()
        if head.startswith(_COMPRESSED):
            if expected:
                return self._keep(bounded, expected)
            part: Part = self._ingest(bounded, None)
        elif _looks_like_tar(head):
            part = self._ingest(bounded, expected)
        elif member.size <= MAX_BYTES:
            return self._remember(bounded, member.size, expected, path)
        else:
            return self._keep(bounded, expected)
        progress(expected or path, member.size)
        return part

    def _remember(self, bounded: "_Bounded", size: int, expected: Digest | None, path: str) -> Text:
        self._in_memory += size
        if self._in_memory > MAX_MEMORY:
            raise InvalidRequest("invalid archive: its documents are too large")
        data = bounded.rest()
        if expected and expected.startswith("sha256:") and digest_of(data) != expected:
            raise InvalidRequest(f"invalid archive: {path!r} has digest {digest_of(data)}")
        return Text(data)

    def _keep(self, bounded: "_Bounded", expected: Digest | None) -> Blob:
        if expected and self._lease.keep_blob(expected):
            return Blob(expected, bounded.left)
        return Blob(*self._lease.put(bounded, expected))

    def _ingest(self, stream: Readable, expected: Digest | None) -> Layer:
        if expected and self._lease.keep_layer(expected):
            return Layer(expected)
        return Layer(self._lease.ingest(stream, expected))

    def _resolve(self, path: str, what: str) -> Part:
        key = _key(path)
        for _ in range(MAX_LINKS):
            part = self._parts.get(key)
            if part is None:
                break
            if not isinstance(part, Link):
                return part
            key = part.target
        raise InvalidRequest(f"invalid archive: {what} {path!r} is not in it")


class _Outer(Stream):
    """The archive's own stream, which can also hand out whatever lies ready, without copying it together."""

    def some(self, size: int) -> bytes:
        """At least one byte and at most `size`; empty only at the end."""
        if self._start == len(self._chunk) and not self._next_chunk():
            return b""
        return self.read(min(size, len(self._chunk) - self._start))


class _Bounded:
    """The data of one member as a stream of its own."""

    def __init__(self, source: _Outer, size: int) -> None:
        self._source = source
        self._head = b""
        self.left = size

    def peek(self) -> bytes:
        """The first block, which stays to be read."""
        self._head = self._source.read(min(BLOCK, self.left))
        return self._head

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end of the member. Raises BadLayer where the archive is cut."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        elif self.left:
            data = self._source.some(min(size, self.left))
            if not data:
                raise BadLayer("unexpected end of the archive")
        else:
            return b""
        self.left -= len(data)
        return data

    def rest(self) -> bytes:
        """All that is left."""
        pieces = []
        while data := self.read(self.left):
            pieces.append(data)
        return b"".join(pieces)


def _looks_like_tar(head: bytes) -> bool:
    if len(head) < BLOCK:
        return False
    if head == ZERO_BLOCK:
        return True  # a layer that changes nothing is an end-of-archive mark alone
    try:
        verify_checksum(head)
    except BadLayer:
        return False
    return True


def _digest_in(path: str) -> Digest | None:
    match = _BLOB.fullmatch(path)
    return f"{match[1]}:{match[2]}" if match else None


def _text(name: str | bytes) -> str:
    if isinstance(name, str):
        return name
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"invalid archive: a name is not UTF-8: {name[:64]!r}") from None


def _key(name: str | bytes) -> str:
    """A path as the dictionary has it: without `.`, doubled or leading slashes. Raises InvalidRequest on a way out."""
    path = posixpath.normpath("/" + _text(name).lstrip("/"))
    if ".." in _text(name).split("/") and _climbs_out(_text(name)):
        raise InvalidRequest(f"invalid archive: {_text(name)[:128]!r} leads out of it")
    return path.lstrip("/")


def _climbs_out(path: str) -> bool:
    depth = 0
    for component in path.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(component, 1)
        if depth < 0:
            return True
    return False
