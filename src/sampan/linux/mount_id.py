"""On which mount does an open file lie? proc_pid_fdinfo(5), `mnt_id`."""


def mount_id(descriptor: int) -> int:
    """The kernel's number of the mount on which an open file lies; unique while the mount is there."""
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as info:  # bytes: a codec cannot be loaded here any more
        return next(int(line.split()[1]) for line in info if line.startswith(b"mnt_id:"))
