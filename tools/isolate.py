"""How does a command run in a network of its own? `isolate.py COMMAND…`: new network namespace, lo up, the command.

`isolate.py --join FD COMMAND…` enters the namespace behind an inherited file descriptor instead. The command keeps
everything else of this machine, the cgroup mounts among it (`ip netns exec` would hide those).
"""

import os
import sys

from sampan.linux.netdevice import set_up
from sampan.linux.sched import CloneFlag, setns, unshare


def main(arguments: list[str]) -> None:
    """Become the command, in the other namespace."""
    if arguments[0] == "--join":
        network = int(arguments[1])
        setns(network, CloneFlag.NEWNET)
        os.close(network)
        arguments = arguments[2:]
    else:
        unshare(CloneFlag.NEWNET)
        set_up("lo")
    os.execvp(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
