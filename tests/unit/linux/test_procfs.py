"""Does what the kernel writes in /proc parse, whatever names processes and directories have?"""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.linux import procfs

# proc(5) has this line; the second is one with everything that is escaped, the third without any optional field.
MOUNTINFO = r"""36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 36 0:42 / /a\040blank\011tab\134slash\012line rw shared:7 master:3 propagate_from:2 unbindable - tmpfs a\040source rw
38 36 0:4 net:[4026532177] /run/netns/peer rw - nsfs nsfs rw
39 36 0:50 / /ov rw - overlay overlay rw,lowerdir+=/a\054b:c,upperdir=/u
40 36 0:51 / /anonymous rw,nosuid - tmpfs  rw
"""


def test_a_mountinfo_line_has_all_its_fields() -> None:
    first = procfs.parse_mountinfo(MOUNTINFO)[0]
    assert first == procfs.MountInfo(
        mount_id=36,
        parent_id=35,
        device="98:0",
        root="/mnt1",
        target="/mnt2",
        options=("rw", "noatime"),
        optional=("master:1",),
        fstype="ext3",
        source="/dev/root",
        super_options=("rw", "errors=continue"),
    )


def test_escapes_are_undone_and_optional_fields_kept() -> None:
    _, escaped, nsfs, overlay, anonymous = procfs.parse_mountinfo(MOUNTINFO)
    assert escaped.target == "/a blank\ttab\\slash\nline"
    assert escaped.source == "a source"
    assert escaped.optional == ("shared:7", "master:3", "propagate_from:2", "unbindable")
    assert nsfs.root == "net:[4026532177]"
    assert nsfs.optional == ()
    assert overlay.super_options == ("rw", "lowerdir+=/a,b:c", "upperdir=/u")
    assert anonymous.source == ""


def escaped(text: str) -> str:
    """As seq_path(9) and seq_escape(9) write it."""
    return "".join(rf"\{ord(c):03o}" if c in " \t\n\\" else c for c in text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_path_comes_back(path: str) -> None:
    line = f"1 2 0:1 {escaped(path)} /{escaped(path)} rw - tmpfs {escaped(path)} rw\n"
    (info,) = procfs.parse_mountinfo(line)
    assert (info.root, info.target, info.source) == (path, "/" + path, path)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=15))
def test_a_process_may_be_called_anything(name: str) -> None:
    numbers = " ".join(str(n) for n in range(4, 53))
    found = procfs.parse_stat(f"7 ({name}) S {numbers}\n")
    assert (found.pid, found.name, found.state) == (7, name, "S")
    # Field N of proc(5) was written as the number N.
    assert (found.parent_pid, found.session, found.user_time, found.nice) == (4, 6, 14, 19)
    assert (found.threads, found.start_time, found.virtual_bytes, found.resident_pages) == (20, 22, 23, 24)


def test_this_process_is_as_the_kernel_says() -> None:
    own = procfs.stat()
    assert (own.pid, own.parent_pid, own.session) == (os.getpid(), os.getppid(), os.getsid(0))
    assert own.start_time == procfs.start_time(os.getpid()) > 0
    assert procfs.status()["Pid"] == str(os.getpid())
    assert procfs.command_line()[0].endswith("python") or "python" in procfs.command_line()[0]
    assert len(procfs.boot_id()) == 36
    assert any(info.target == "/proc" for info in procfs.mountinfo())


def test_a_process_that_is_gone_is_an_error() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises((FileNotFoundError, ProcessLookupError)):
        procfs.start_time(pid)


def test_interface_counters_are_those_of_each_interface_but_the_loopback() -> None:
    text = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
        "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0\n"
        "eth0:1:     736       8    1    2    0     0          0         0       42       3    4    5    0     0\n"
    )
    assert procfs.parse_interface_counters(text) == {
        "eth0:1": {
            "rx_bytes": 736, "rx_packets": 8, "rx_errors": 1, "rx_dropped": 2,
            "tx_bytes": 42, "tx_packets": 3, "tx_errors": 4, "tx_dropped": 5,
        }
    }  # fmt: skip
    assert "lo" not in procfs.interface_counters()
