"""How does a program get a copy of a file that nobody can change, itself included?

memfd_create(2) and fcntl(2) seals. A program executed from a sealed copy can be opened through /proc/PID/exe, but not
written to.
"""

import errno
import fcntl
import os

MFD_EXEC = 0x10  # Linux 6.3: say that it is meant to be executed, or vm.memfd_noexec decides
F_SEAL_ALL = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_PIECE = 1 << 20


def sealed_copy(path: str, name: str) -> int:
    """A close-on-exec descriptor of a sealed, executable copy of the file `path`; `name` shows in /proc/PID/exe."""
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _sealed(source, name)
    finally:
        os.close(source)


def _sealed(source: int, name: str) -> int:
    copy = _create(name)
    try:
        while os.sendfile(copy, source, None, _PIECE):
            pass
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, F_SEAL_ALL)
    except BaseException:
        os.close(copy)
        raise
    return copy


def _create(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create(name, flags)
