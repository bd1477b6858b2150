"""How is a process held so that its number cannot come to mean another?

pidfd_open(2) (Linux 5.3), pidfd_send_signal(2) (5.1), pidfd_getfd(2) (5.6). A pidfd is readable
once the process has ended.
"""

from sampan.linux.call import syscall


def pidfd_open(pid: int, flags: int = 0) -> int:
    """pidfd_open(2). ESRCH when there is no such process."""
    return syscall("pidfd_open", pid, flags)


def pidfd_send_signal(pidfd: int, signal_number: int) -> None:
    """pidfd_send_signal(2). ESRCH when the process has ended and been waited for."""
    syscall("pidfd_send_signal", pidfd, signal_number, None, 0)


def pidfd_getfd(pidfd: int, target_fd: int) -> int:
    """pidfd_getfd(2): a duplicate of another process's descriptor; needs the right to ptrace it."""
    return syscall("pidfd_getfd", pidfd, target_fd, 0)
