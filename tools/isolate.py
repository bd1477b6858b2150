"""How does a command run in a network of its own? `isolate.py COMMAND…`: new network namespace, lo up, then the command.

The command keeps everything else of this machine, the cgroup mounts among it (`ip netns exec` would hide those).
"""

import os
import sys

from sampan.linux.netdevice import set_up
from sampan.linux.sched import CloneFlag, unshare


def main() -> None:
    """Become the command, in the new namespace."""
    unshare(CloneFlag.NEWNET)
    set_up("lo")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
