"""Where does the dynamic loader find a library?

The order of ld.so(8), for a program that is not running: DT_RPATH (its own and its loaders') unless there is a
DT_RUNPATH, then DT_RUNPATH, then /etc/ld.so.cache, then the directories of /etc/ld.so.conf and the default ones.
LD_LIBRARY_PATH is not asked: an image must not depend on who made it. `ldd` would execute the program; this only reads.
"""

import glob
import os
import struct
from functools import cached_property
from pathlib import Path

from sampan.images.elf import Elf, read_elf

DEFAULT_DIRECTORIES = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_MAX_INCLUDES = 100


class Loader:
    """Finds libraries on the tree at `root` ("/" but for tests)."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._known: dict[str, Elf | None] = {}

    def elf(self, path: str) -> Elf | None:
        """The ELF file at an absolute path of the tree; None if it is no such file."""
        if path not in self._known:
            try:
                self._known[path] = read_elf(self._inside(path))
            except OSError:
                self._known[path] = None
        return self._known[path]

    def needs(self, program: str) -> tuple[list[str], list[str]]:
        """The absolute paths of all that `program` needs to be loaded, and the names that were not found."""
        found: dict[str, None] = {}
        missing: dict[str, None] = {}
        elf = self.elf(program)
        if elf is None:
            return [], []
        if elf.interpreter:
            found[elf.interpreter] = None
        # With each file come the RPATHs of those that asked for it.
        pending: list[tuple[str, tuple[str, ...]]] = [(program, ())]
        while pending:
            path, inherited = pending.pop(0)
            this = self.elf(path)
            if this is None:
                continue
            rpath = _directories(this.rpath, path) if not this.runpath else ()
            for name in this.needed:
                library = self._find(name, elf.kind, rpath + inherited, _directories(this.runpath, path))
                if library is None:
                    missing[name] = None
                elif library not in found:
                    found[library] = None
                    pending.append((library, rpath + inherited))
        return list(found), list(missing)

    def is_default(self, library: str) -> bool:
        """Whether the loader finds it without configuration (Debian's also looks in /lib/ARCH-linux-gnu)."""
        directory = os.path.dirname(library)
        return directory in ("/lib", "/usr/lib", "/lib64", "/usr/lib64") or directory.endswith(
            ("-linux-gnu", "-linux-gnueabihf")
        )

    def _find(
        self, name: str, kind: tuple[int, int, int], rpath: tuple[str, ...], runpath: tuple[str, ...]
    ) -> str | None:
        if "/" in name:
            return name if self._fits(name, kind) else None
        candidates = [f"{directory}/{name}" for directory in (*rpath, *runpath)]
        candidates += self._cache.get(name, [])
        candidates += [f"{directory}/{name}" for directory in (*self._configured, *DEFAULT_DIRECTORIES)]
        return next((path for path in candidates if self._fits(path, kind)), None)

    def _fits(self, path: str, kind: tuple[int, int, int]) -> bool:
        elf = self.elf(path)
        return elf is not None and elf.kind == kind

    @cached_property
    def _configured(self) -> tuple[str, ...]:
        found: list[str] = []
        pending = ["/etc/ld.so.conf"]
        seen = 0
        while pending and seen < _MAX_INCLUDES:
            path = pending.pop(0)
            seen += 1
            try:
                lines = self._inside(path).read_text(errors="replace").splitlines()
            except OSError:
                continue
            for line in lines:
                words = line.partition("#")[0].split()
                if words[:1] == ["include"]:
                    pending += [pattern for word in words[1:] for pattern in self._glob(word, path)]
                elif words and words[0].startswith("/"):
                    found.append(words[0].rstrip("/"))
        return tuple(found)

    def _glob(self, pattern: str, including: str) -> list[str]:
        pattern = os.path.join(os.path.dirname(including), pattern)
        found = sorted(glob.glob(str(self._inside(pattern))))
        return ["/" + os.path.relpath(path, self._root) for path in found]

    @cached_property
    def _cache(self) -> dict[str, list[str]]:
        """soname → paths, from the cache that ldconfig(8) writes (glibc's sysdeps/generic/dl-cache.h)."""
        try:
            data = self._inside("/etc/ld.so.cache").read_bytes()
        except OSError:
            return {}
        start = data.find(_CACHE_MAGIC)
        found: dict[str, list[str]] = {}
        try:
            (count,) = struct.unpack_from("=I", data, start + 20)
            for index in range(count if start >= 0 else 0):
                _, key, value, _, hwcap = struct.unpack_from("=iIIIQ", data, start + 48 + 24 * index)
                if hwcap == 0:  # the others are variants for particular processors
                    found.setdefault(_text(data, start + key), []).append(_text(data, start + value))
        except (struct.error, ValueError):
            return {}
        return found

    def _inside(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _directories(entries: tuple[str, ...], path: str) -> tuple[str, ...]:
    """The directories of RPATH or RUNPATH, with `$ORIGIN` replaced; relative ones are not for us."""
    origin = os.path.dirname(path)
    found = []
    for entry in (part for text in entries for part in text.split(":")):
        directory = entry.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
        if directory.startswith("/"):
            found.append(os.path.normpath(directory))
    return tuple(found)


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
