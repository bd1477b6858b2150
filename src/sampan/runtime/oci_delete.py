"""How does the engine clean up after another OCI runtime whose shim is gone?

The shim has the program delete its container itself; this is for when it was killed before it could.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

DELETE_SECONDS = 20.0


def delete(words: Sequence[str], notes: Path, container_id: str) -> None:
    """Have the program `words` forget a container, as far as it can; the cgroup is the caller's to remove."""
    try:
        subprocess.run(
            [*words, "--root", str(notes), "delete", "--force", container_id],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=DELETE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        pass  # not there any more, or it hangs: everything that it had in the kernel is in the cgroup
