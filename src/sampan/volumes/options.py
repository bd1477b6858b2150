"""What do the local driver's options (`--opt type=…`, `device=…`, `o=…`) mean?

With them a volume is a filesystem of its own, or a view of a directory, in place of a directory of the engine's: any
type that the kernel can mount (mount(8), "FILESYSTEM-SPECIFIC MOUNT OPTIONS"). Each word of `o` stays a word of its own
up to fsconfig(2), so that no comma or colon of one can become another. Pure; sentences are dockerd's.
"""

import socket
from collections.abc import Mapping

from sampan.errors import InvalidRequest, Unavailable
from sampan.oci.mount import Mount

VALID = ("type", "o", "device", "size")
# Of these the one requires the others.
REQUIRES = (("device", ("type",)), ("type", ("device",)), ("o", ("device", "type")))
WORDS_MAX = 64
WORD_BYTES_MAX = 255  # what fsconfig(2) takes
DEVICE_BYTES_MAX = 4095  # PATH_MAX without its end
# Another view of something mounted is no volume; a cgroup filesystem is none either, and would be mounted in parts.
REFUSED_WORDS = ("remount", "move")
REFUSED_TYPES = ("cgroup", "cgroup2")
NETWORKED = ("nfs", "nfs4", "cifs")


def check(name: str, options: Mapping[str, str]) -> None:
    """Raises InvalidRequest where dockerd does, and for what no mount could be made of."""
    for key in options:
        if key not in VALID:
            raise InvalidRequest(f'create {name}: invalid option: "{key}"')
    for key, others in REQUIRES:
        for other in others:
            if key in options and other not in options:
                raise InvalidRequest(f'create {name}: missing required option: "{other}"')
    if "size" in options:
        raise InvalidRequest(f"create {name}: quota size requested but no quota support")
    if not options:
        return
    words = _words(options)
    for text in (options["type"], options["device"], *words):
        if not text.isprintable():
            raise InvalidRequest(f"create {name}: an option of the volume contains unprintable characters")
    if len(words) > WORDS_MAX or any(len(word.encode()) > WORD_BYTES_MAX for word in words):
        raise InvalidRequest(f"create {name}: at most {WORDS_MAX} mount options of {WORD_BYTES_MAX} bytes are possible")
    if len(options["device"].encode()) > DEVICE_BYTES_MAX or "/" in options["type"]:
        raise InvalidRequest(f"create {name}: the volume's type or device cannot be one")
    if options["type"] in REFUSED_TYPES or any(word in REFUSED_WORDS for word in words):
        raise InvalidRequest(f"create {name}: a volume cannot be of this type, or mounted with remount or move")


def mount_of(options: Mapping[str, str], target: str) -> Mount | None:
    """The mount that such a volume is, at `target`; None for a plain directory. Looks up the address of a server.

    Raises Unavailable when the server's name is not known.
    """
    if not options:
        return None
    kind, words = options["type"], _words(options)
    if kind in NETWORKED:
        words = [_with_address(word) for word in words]
    return Mount(target, options["device"], "" if kind == "none" else kind, tuple(words))


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for word in options.get("o", "").split(",") if word]


def _with_address(word: str) -> str:
    """`addr=NAME` with the address in place of the name: the kernel asks no resolver."""
    key, _, value = word.partition("=")
    if key != "addr" or not value:
        return word
    try:
        found = socket.getaddrinfo(value, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"error resolving passed in network volume address: {error.strerror}") from None
    return f"addr={found[0][4][0]}"
