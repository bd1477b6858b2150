"""Which file does the program's name mean, and what if it cannot be executed?

As Go's exec.LookPath, whose sentences docker's clients know: exit code 127 for what is not there, 126 for what may not
be executed. Checked with the rights and inside the root of the process itself.
"""

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from typing import NoReturn

from sampan.runtime.status import StartFailed


def look_up(name: str, path: str) -> str:
    """The file that `name` means with the search path `path`. Raises StartFailed with 126 or 127."""
    if "/" in name:
        problem = _problem(name)
        if problem:
            code = 127 if problem in (errno.ENOENT, errno.ENOTDIR) else 126
            reason = os.strerror(problem).lower()
            stated = f"stat {name}: {reason}" if code == 127 else reason
            raise StartFailed(f'exec: "{name}": {stated}: unknown', code)
        return name
    denied = False
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{name}"
        problem = _problem(candidate)
        if not problem and candidate.startswith("/"):
            return candidate
        denied = denied or problem == errno.EACCES
    if denied:
        raise StartFailed(f'exec: "{name}": permission denied: unknown', 126)
    raise StartFailed(f'exec: "{name}": executable file not found in $PATH: unknown', 127)


def _problem(path: str) -> int:
    """The errno that stands against executing `path`; 0 for none."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return error.errno or errno.ENOENT
    if stat.S_ISDIR(mode):
        return errno.EISDIR
    return 0 if mode & 0o111 and _may_execute(path) else errno.EACCES


def _may_execute(path: str) -> bool:
    # faccessat2(2), which goes by the effective capabilities, is younger than many filters, and one may be loaded
    # already: what it forbids looks as what the file does, so the old call is asked as well.
    return os.access(path, os.X_OK, effective_ids=True) or os.access(path, os.X_OK)


def execute(path: str, argv: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """execve(2). A failure now is the program's own, as runc has it: said on its stderr, exit code 255."""
    try:
        os.execve(path, list(argv), environment)
    except OSError as error:
        os.write(2, f"exec {path}: {os.strerror(error.errno or 0).lower()}\n".encode("utf-8", "surrogateescape"))
        os._exit(255)
