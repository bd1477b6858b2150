"""What does `ps` show as a process's command line?

The kernel shows the memory that held the arguments at execve(2) (proc_pid_cmdline(5)); a process may write other words
there. Where the memory is, is in fields 48 and 49 of /proc/PID/stat.
"""

import ctypes
import os


def set_title(words: "list[str]") -> None:
    """Show `words` as this process's arguments, as far as the room of the original ones goes."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # fields 48 and 49, counted from the one after the name, the third
    room = end - start
    if room <= 0:
        return
    text = b"".join(os.fsencode(word) + b"\0" for word in words)[: room - 1]
    ctypes.memmove(start, text + b"\0" * (room - len(text)), room)
