"""Which turn does a process get at the disks?

ioprio_set(2), for the OCI runtime spec's process.ioPriority.
"""

from sampan.linux.call import syscall

CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
IOPRIO_WHO_PROCESS = 1
IOPRIO_CLASS_SHIFT = 13


def set_io_priority(class_name: str, priority: int, pid: int = 0) -> None:
    """ioprio_set(2) for one process, 0 being the caller; priority 0 (first) to 7."""
    value = CLASSES[class_name] << IOPRIO_CLASS_SHIFT | priority
    syscall("ioprio_set", IOPRIO_WHO_PROCESS, pid, value)


def get_io_priority(pid: int = 0) -> tuple[int, int]:
    """ioprio_get(2): the class's number (0: none set) and the priority."""
    value = syscall("ioprio_get", IOPRIO_WHO_PROCESS, pid)
    return value >> IOPRIO_CLASS_SHIFT, value & (1 << IOPRIO_CLASS_SHIFT) - 1
