"""How does a host without any image get its first one?

`sampan image from-host`: programs installed here, with the interpreter and the libraries that they need, become a
layer. Symbolic links are kept as they are, so that a host with /bin → usr/bin gives an image with the same. What
identifies the host stays out of it: users, names and configuration are the image's own. The same host makes the same
image, to the byte.
"""

import io
import os
import shutil
import stat
import tarfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from sampan.errors import InvalidRequest
from sampan.images.image import Image
from sampan.images.libraries import Loader
from sampan.images.moment import rfc3339
from sampan.images.store import ImageStore
from sampan.oci.config import parse_config
from sampan.oci.platform import host_platform
from sampan.oci.reference import Reference
from sampan.oci.strict import encode

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What is here of these goes into an image for which no programs are named: a shell, coreutils, and how to look around.
DEFAULT_PROGRAMS = """
sh bash [ base64 basename cat chgrp chmod chown cksum comm cp cut date dd df dirname du echo env expand expr false
fold groups head hostid id install join link ln logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc
numfmt od paste printenv printf pwd readlink realpath rm rmdir seq sha1sum sha256sum sha512sum shuf sleep sort split
stat stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tty uname uniq unlink wc who whoami yes
grep sed ps kill mount umount hostname
"""
_FILES = {
    "/etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": b"root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
}
_DIRECTORIES = {"/dev": 0o755, "/proc": 0o555, "/sys": 0o555, "/root": 0o700, "/tmp": 0o1777, "/var/tmp": 0o1777}
_MERGED = ("/bin", "/sbin", "/lib", "/lib64")
_MAX_SYMLINKS = 40
_MAX_SHEBANG = 256


@dataclass(slots=True)
class _Tree:
    """The image's files: path → what is there (None a directory, str a symlink's target, Path a file of the host)."""

    entries: dict[str, str | Path | bytes | None] = field(default_factory=dict)

    def add(self, path: str) -> None:
        """Take a file of the host, with all directories and symbolic links on the way to it."""
        done, rest = "", [part for part in path.split("/") if part]
        links = 0
        while rest:
            here = f"{done}/{rest.pop(0)}"
            if here.endswith("/.."):
                done = os.path.dirname(done)
                continue
            if os.path.islink(here):
                target = os.readlink(here)
                links += 1
                if links > _MAX_SYMLINKS:
                    raise InvalidRequest(f"{path}: too many levels of symbolic links")
                self.entries[here] = target
                rest = [part for part in target.split("/") if part not in ("", ".")] + rest
                done = "" if target.startswith("/") else done
                continue
            self.entries[here] = None if os.path.isdir(here) else Path(here)
            done = here


def image_from_host(store: ImageStore, reference: Reference | None, programs: Sequence[str]) -> Image:
    """Make an image of `programs` (names or absolute paths; none: a shell and coreutils).

    Raises InvalidRequest when a program that was asked for is not here, or a library it needs.
    """
    with TemporaryFile() as file, store.lease() as lease:
        newest = build_from_host(programs, file)
        file.seek(0)
        diff_id = lease.ingest(file)
        created = rfc3339(newest * 10**9)
        command = "/bin/sh" if _shell_is_in(programs) else _locate(programs[0])
        document = {
            "architecture": host_platform().architecture,
            "config": {"Cmd": [command], "Env": [f"PATH={PATH}"]},
            "created": created,
            "history": [{"created": created, "created_by": "sampan image from-host " + " ".join(programs)}],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
        references = [reference.with_default_tag()] if reference else []
        return store.insert(parse_config(encode(document)), references, tagged_ns=time.time_ns() if references else 0)


def build_from_host(programs: Sequence[str], output: IO[bytes]) -> int:
    """Write the layer's tar; returns when its newest file was modified, in Unix seconds. Raises InvalidRequest."""
    tree = _Tree()
    loader = Loader()
    if programs:
        chosen = [_locate(program) for program in programs]
    else:
        chosen = [path for name in DEFAULT_PROGRAMS.split() if (path := shutil.which(name, path=PATH))]
        if not _shell_is_in(()):
            raise InvalidRequest("no shell is installed on this host: name the programs to take")
    for path in _with_interpreters(chosen):
        tree.add(path)
        _add_needs(tree, loader, path)
    # Scripts say /bin/sh and interpreters are in /lib64, wherever the programs themselves were found.
    for path in _MERGED:
        if os.path.islink(path):
            tree.add(path)
    for path in _DIRECTORIES:
        _parents(tree, path)
        tree.entries.setdefault(path, None)
    for path, content in _FILES.items():
        _parents(tree, path)
        tree.entries[path] = content
    return _write(tree, output)


def _shell_is_in(programs: Sequence[str]) -> bool:
    if programs:
        return any(os.path.basename(program) == "sh" for program in programs)
    return shutil.which("sh", path=PATH) is not None


def _locate(program: str) -> str:
    found = program if program.startswith("/") else shutil.which(program, path=PATH)
    if not found or not os.path.isfile(found) or not os.access(found, os.X_OK):
        raise InvalidRequest(f"{program}: no such program on this host")
    return found


def _with_interpreters(programs: Iterable[str]) -> list[str]:
    """The programs, and for scripts what their first line names."""
    chosen: dict[str, None] = {}
    pending = list(programs)
    while pending:
        path = pending.pop(0)
        if path in chosen:
            continue
        chosen[path] = None
        with open(path, "rb") as file:
            first = file.read(_MAX_SHEBANG).partition(b"\n")[0]
        if first.startswith(b"#!"):
            words = os.fsdecode(first[2:]).split()
            names = words[:2] if words and os.path.basename(words[0]) == "env" else words[:1]
            pending += [_locate(name) for name in names]
    return list(chosen)


def _add_needs(tree: _Tree, loader: Loader, program: str) -> None:
    libraries, missing = loader.needs(os.path.realpath(program))
    if missing:
        raise InvalidRequest(f"{program}: libraries are missing on this host: {', '.join(missing)}")
    for library in libraries:
        tree.add(library)
        if not loader.is_default(library):
            # Only the cache tells the loader of the image where this is; entries that are not there do no harm.
            tree.add("/etc/ld.so.cache")


def _parents(tree: _Tree, path: str) -> None:
    parent = os.path.dirname(path)
    if parent != "/":
        _parents(tree, parent)
        tree.entries.setdefault(parent, None)


def _write(tree: _Tree, output: IO[bytes]) -> int:
    newest = 0
    inodes: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in sorted(tree.entries.items()):
            member = tarfile.TarInfo(path.lstrip("/"))
            member.mode = 0o755
            if entry is None:
                member.type, member.mode = tarfile.DIRTYPE, _DIRECTORIES.get(path, 0o755)
                archive.addfile(member)
            elif isinstance(entry, str):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry, 0o777
                archive.addfile(member)
            elif isinstance(entry, bytes):
                member.size, member.mode = len(entry), 0o644
                archive.addfile(member, io.BytesIO(entry))
            else:
                newest = max(newest, _add_file(archive, member, entry, inodes))
    return newest


def _add_file(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, inodes: dict[tuple[int, int], str]) -> int:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        # Set-user-ID bits stay behind: in an image nobody has decided to trust the program with them.
        member.mode = stat.S_IMODE(status.st_mode) & 0o755
        member.mtime = int(status.st_mtime)
        inode = (status.st_dev, status.st_ino)
        if inode in inodes:
            member.type, member.linkname = tarfile.LNKTYPE, inodes[inode]
            archive.addfile(member)
        else:
            inodes[inode] = member.name
            member.size = status.st_size
            archive.addfile(member, file)
    return int(status.st_mtime)
