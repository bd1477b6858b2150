"""How is the interpreter kept out of a container's reach?

A process on its way into a container is, until execve, a Python interpreter, and a container that found the
interpreter's file behind /proc/PID/exe could write to it (CVE-2019-5736; security catalogue A01). So commands that
enter containers first execute themselves anew, from a sealed copy in memory; then nothing of theirs can be traced or
opened (A02), and nothing is imported any more that a container's files could stand in for (CVE-2019-14271).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sampan.linux.memfd import sealed_copy
from sampan.linux.prctl import set_dumpable, set_name

PROGRAM = (
    "import sys; sys.path.insert(0, {path!r}); from sampan.cli.runtime.main import main; "
    "sys.exit(main({words!r}, sealed=True))"
)


def execute_anew(words: Sequence[str]) -> NoReturn:
    """Execute this command again, from the sealed copy."""
    source = str(Path(__file__).parents[3])
    image = sealed_copy(os.path.realpath(sys.executable), "sampan:runtime")
    program = PROGRAM.format(path=source, words=list(words))
    # -I would ignore PYTHONHOME, which an interpreter without a path needs; without the user's PYTHON* variables
    # -P -s -S -B come to the same.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONHOME"] = sys.base_prefix
    os.execve(image, ["sampan-runtime", "-P", "-s", "-S", "-B", "-c", program], environment)


def harden() -> None:
    """From here on, and in every child: not to be looked into, and importing nothing."""
    set_name("sampan:runtime")
    set_dumpable(False)
    os.environ.pop("PYTHONHOME", None)
    os.umask(0o022)
    sys.path.clear()
    sys.meta_path.clear()
    sys.path_importer_cache.clear()
