"""How is another process held where it stands?

ptrace(2) with PTRACE_SEIZE (Linux 3.4): nothing stops by it but what the options say. A process that is held so cannot
be continued by anybody's SIGCONT, only by its tracer, and ends with its tracer.
"""

from sampan.linux.call import call

PTRACE_SEIZE = 0x4206
PTRACE_O_TRACEVFORKDONE = 0x20
PTRACE_O_EXITKILL = 0x100000


def hold_after_vfork(pid: int) -> None:
    """Have a process stop when a child made with CLONE_VFORK has executed or ended, before it takes another step.

    waitid(2) with WSTOPPED tells. Until then a signal that it does not block stops it, too; SIGSTOP, which nobody can
    block, stops it until it is killed. EPERM when somebody traces it already, or a security module forbids it.
    """
    call("ptrace", PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEVFORKDONE | PTRACE_O_EXITKILL)
