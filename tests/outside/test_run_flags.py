"""Does `docker run` do what each flag says? Recorded from dockerd; every row runs on our engine as it did there."""

import os

import pytest

from expect import IMAGE, ONCE, OUTSIDE, Case, Docker, case, check

HERE = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("ipc", "pid", "uts", "user", "cgroup", "mnt")}
OWN_CGROUP = "cut -d: -f3 /proc/self/cgroup | sort -u"
PIDS_MAX = "cat /sys/fs/cgroup/pids/pids.max 2>&- || cat /sys/fs/cgroup/pids.max"
QUOTA = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>&- || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
MEMORY_MAX = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>&- || cat /sys/fs/cgroup/memory.max"

PLAIN = [
    case("", "echo", "hello", out="hello\n"),
    case("", "sh", "-c", "echo out; echo err >&2", out="out\n", err="^err\n$"),
    case("", "sh", "-c", "exit 3", code=3),
    case("", "sh", "-c", "sh -c 'kill -9 $$'; echo $?", out="137\n", err="Killed|^$"),
    case("", "nosuch", code=127, err=r'exec: "nosuch": executable file not found in \$PATH'),
    case("", "/bin/nosuch", code=127, err=r'exec: "/bin/nosuch".*no such file or directory'),
    case("", "/etc", code=126, err=r'exec: "/etc": (permission denied|is a directory)'),
    case("", "/etc/passwd", code=126, err=r'exec: "/etc/passwd": permission denied'),
    case("-i", "cat", stdin="typed\n", out="typed\n"),
    case("", "cat", stdin="typed\n", out=""),
    case("-t", "sh", "-c", "tty; echo $TERM", out="/dev/pts/0\r\nxterm\r\n"),
    case("-t", "sh", "-c", "echo err >&2", out="err\r\n"),
    case("", "pwd", out="/\n"),
    case("", "env", out=r"PATH=/usr/bin:/bin\nHOSTNAME=[0-9a-f]{12}\n(HOME=/root\n)?.*"),
    case("", "sh", "-c", "umask", out="0022\n"),
    case("", "sh", "-c", "echo $$", out="1\n"),
    case("", "id", out=r"uid=0\(root\) gid=0\(root\) groups=0\(root\)(,.*)?\n"),
]

PROCESS = [
    case("-e A=1 -e B=two", "sh", "-c", "echo $A $B", out="1 two\n"),
    case("-e HOME=/x -e PATH=/bin", "sh", "-c", "echo $HOME $PATH", out="/x /bin\n"),
    case("-w /a/b", "pwd", out="/a/b\n"),
    case("-w /etc/passwd", "pwd", code=125, err="/etc/passwd(:| is) not a directory"),
    case("-w rel", "pwd", code=125, err="working directory 'rel' is invalid, it needs to be an absolute path"),
    case("-u nobody", "id", out=r"uid=65534\(nobody\) gid=65534\(nogroup\) groups=65534\(nogroup\)\n"),
    case("-u 1000", "id", out=r"uid=1000\(www\) gid=1000\(www\) groups=1000\(www\),2000\(extra\)\n"),
    case("-u 1000:2000", "id", out=r"uid=1000\(www\) gid=2000\(extra\) groups=2000\(extra\)\n"),
    case("-u www:nogroup", "id", out=r"uid=1000\(www\) gid=65534\(nogroup\) groups=65534\(nogroup\)\n"),
    case("-u 4242", "id", out=r"uid=4242 gid=0\(root\) groups=0\(root\)\n"),
    case("-u 4242:4343", "id", out=r"uid=4242 gid=4343 groups=4343\n"),
    case("-u 1000 --group-add 77 --group-add extra", "id", "-G", out="1000 (77 2000|2000 77)\n"),
    case("-u nosuchuser", "id", code=125, err="unable to find user nosuchuser: no matching entries in passwd file"),
    case("-u 0:nosuchgroup", "id", code=125, err="unable to find group nosuchgroup: no matching entries in group file"),
    case("--entrypoint echo", "a", "b", out="a b\n"),
    case("-h foo", "sh", "-c", "hostname; cat /etc/hostname", out="foo\nfoo\n"),
    case("-h foo.example.org", "hostname", out="foo.example.org\n"),
    case("--init", "sh", "-c", "echo $$; tr '\\0' ' ' </proc/1/cmdline", out=r"\d+\n/sbin/docker-init -- sh -c .*"),
    case("--init", "sh", "-c", "exit 7", code=7),
    case("--ulimit nofile=100:200", "sh", "-c", "ulimit -n; ulimit -Hn", out="100\n200\n"),
    case("--ulimit core=0", "sh", "-c", "ulimit -c", out="0\n"),
    case("--ulimit nofile=200:100", code=125, err="soft limit must be less than or equal to hard limit"),
    case("--ulimit bogus=1", code=125, err="invalid ulimit type: bogus"),
    case("--stop-signal BOGUS", code=125, err="invalid signal: BOGUS"),
    case("--oom-score-adj 500", "cat", "/proc/self/oom_score_adj", out="500\n"),
]

FILES = [
    case("--read-only", "touch", "/x", code=1, err="touch: /x: Read-only file system"),
    case("--read-only --tmpfs /t", "sh", "-c", "touch /t/x && ls /t", out="x\n"),
    case("--tmpfs /t:size=1m,mode=1700", "grep", " /t ", "/proc/mounts",
         out="tmpfs /t tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=1700.* 0 0\n"),
    case("--tmpfs /t:exec", "grep", " /t ", "/proc/mounts", out="tmpfs /t tmpfs rw,nosuid,nodev,relatime.* 0 0\n"),
    case("--tmpfs /t:bogus", code=125, err="bogus"),
    case("--shm-size 1m", "df", "-k", "/dev/shm", out=r".*shm +1024 +0 +1024 +0% /dev/shm\n"),
    case("", "df", "-k", "/dev/shm", out=r".*shm +65536 +0 +65536 +0% /dev/shm\n"),
    case("--device /dev/null:/dev/xnull", "sh", "-c", "ls -l /dev/xnull; echo >/dev/xnull",
         out=r"crw-rw-rw- +1 root +root +1, +3 .* /dev/xnull\n"),
    case("--device /dev/zero:/dev/z:r", "sh", "-c", "head -c 1 /dev/z | wc -c", out="1\n"),
    # 127, since the client looks for "no such file or directory" in what the daemon says.
    case("--device /dev/nosuch", code=127, err='device information.*"/dev/nosuch".*no such file or directory'),
    case("--sysctl kernel.shmmax=1000000", "cat", "/proc/sys/kernel/shmmax", out="1000000\n"),
    case("--sysctl net.ipv4.ip_forward=1", "cat", "/proc/sys/net/ipv4/ip_forward", out="1\n"),
    case("--sysctl kernel.panic=1", code=125, err="sysctl 'kernel.panic=1' is not allowed"),
]  # fmt: skip

RIGHTS = [
    case("", "grep", "Cap", "/proc/self/status",
         out="CapInh:\t0{16}\nCapPrm:\t0{8}a80425fb\nCapEff:\t0{8}a80425fb\nCapBnd:\t0{8}a80425fb\nCapAmb:\t0{16}\n"),
    case("--cap-drop ALL", "grep", "CapBnd", "/proc/self/status", out="CapBnd:\t0000000000000000\n"),
    case("--cap-drop ALL --cap-add CHOWN", "grep", "CapEff", "/proc/self/status", out="CapEff:\t0000000000000001\n"),
    case("--cap-add SYS_ADMIN", "grep", "CapEff", "/proc/self/status", out="CapEff:\t00000000a82425fb\n"),
    case("--cap-add CAP_SYS_PTRACE", "grep", "CapEff", "/proc/self/status", out="CapEff:\t00000000a80c25fb\n"),
    case("--cap-drop NET_RAW --cap-drop mknod", "grep", "CapEff", "/proc/self/status",
         out="CapEff:\t00000000a00405fb\n"),
    case("--cap-add NOSUCH", code=125, err='invalid CapAdd: unknown capability: "CAP_NOSUCH"'),
    case("--cap-drop NOSUCH", code=125, err='invalid CapDrop: unknown capability: "CAP_NOSUCH"'),
    case("-u 1000", "grep", "Cap[EPA]", "/proc/self/status",
         out="CapPrm:\t0{16}\nCapEff:\t0{16}\nCapAmb:\t0{16}\n"),
    case("", "grep", "-E", "NoNew|Seccomp:", "/proc/self/status", out="NoNewPrivs:\t0\nSeccomp:\t2\n"),
    case("--security-opt no-new-privileges", "grep", "NoNew", "/proc/self/status", out="NoNewPrivs:\t1\n"),
    case("--security-opt seccomp=unconfined", "grep", "Seccomp:", "/proc/self/status", out="Seccomp:\t0\n"),
    case("--security-opt bogus=1", code=125, err="invalid --security-opt 2?:? ?.*bogus"),
    case("--privileged", "grep", "-E", "Seccomp:|NoNew", "/proc/self/status", out="NoNewPrivs:\t0\nSeccomp:\t0\n",
         peer="runc 1.1 gives up where the machine withholds a capability from dockerd itself"),
    case("--privileged", "sh", "-c", "mount -t tmpfs none /home && grep -c ' /home tmpfs' /proc/mounts", out="1\n",
         peer="runc 1.1 gives up where the machine withholds a capability from dockerd itself"),
]  # fmt: skip

LIMITS = [
    case("--memory 64m", "sh", "-c", MEMORY_MAX, out="67108864\n"),
    case("--cpus 0.5", "sh", "-c", QUOTA, out="50000\n"),
    case("--pids-limit 33", "sh", "-c", PIDS_MAX, out="33\n"),
    case("--pids-limit -1", "sh", "-c", PIDS_MAX, out="max\n"),
    case("--pids-limit 3", "sh", "-c", "sleep 0 & sleep 0 & sleep 0 & sleep 0 & sleep 0 & wait", code=2,
         err="can't fork: Resource temporarily unavailable"),
    case("--memory 1m", code=125, err="minimum memory limit allowed is 6MB"),
    case("--memory 64m --memory-swap 32m", code=125, err="memoryswap limit should be larger than memory limit"),
    case("--cpus 1000", code=125, err=r"range of CPUs is from 0\.01 to \d+\.00, as there are only \d+ CPUs available"),
    case("--cpuset-cpus 0", "grep", "Cpus_allowed_list", "/proc/self/status", out="Cpus_allowed_list:\t0\n"),
    case("--cpuset-cpus 4000", code=125, err="requested CPUs are not available.*4000"),
    case("--cpuset-cpus bogus", code=125, err="invalid value bogus for cpuset cpus"),
]  # fmt: skip

NAMESPACES = [
    case("--ipc host", "readlink", "/proc/self/ns/ipc", out=HERE["ipc"].replace("[", r"\[") + "\n"),
    case("--pid host", "readlink", "/proc/self/ns/pid", out=HERE["pid"].replace("[", r"\[") + "\n"),
    case("--uts host", "readlink", "/proc/self/ns/uts", out=HERE["uts"].replace("[", r"\[") + "\n"),
    case("--userns host", "readlink", "/proc/self/ns/user", out=HERE["user"].replace("[", r"\[") + "\n"),
    case("--cgroupns private", "sh", "-c", OWN_CGROUP, out="/\n"),
    case("--cgroupns host", "sh", "-c", OWN_CGROUP, out=r"(/[\w./-]*\n)?/[\w./-]+/[0-9a-f]{64}\n"),
    case("--cgroupns bogus", code=125, err="invalid CGROUP mode"),
    case("--ipc none", "ls", "/dev/shm", code=1, err="No such file or directory"),
    case("--ipc bogus", code=125, err="invalid IPC mode: bogus"),
    case("--pid bogus", code=125, err="--pid: invalid PID mode"),
    case("--uts bogus", code=125, err="--uts: invalid UTS mode"),
    case("--userns bogus", code=125, err="--userns: invalid USER mode"),
    case("--pid container:nosuch", code=125, err="No such container: nosuch"),
    case("--ipc container:nosuch", code=125, err="No such container: nosuch"),
    case("--uts host -h x", code=125, err="conflicting options: hostname and the UTS mode"),
]  # fmt: skip

OTHERS = [
    case("--log-driver none", "echo", "hi", out="hi\n"),
    case("--log-driver bogus", "echo", "hi", code=125, err="bogus"),
    case("--restart no", "echo", "once", out="once\n"),
    case("--restart always", code=125, err="cannot specify both --restart and --rm"),
    case("--name _bad", code=125,
         err=r"invalid container name \(_bad\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed"),
    case("--label a=b --label-file /nosuch", code=125, err="/nosuch: no such file or directory"),
    case("--env-file /nosuch", code=125, err="/nosuch: no such file or directory"),
]  # fmt: skip


@pytest.mark.parametrize("row", [*PLAIN, *PROCESS, *FILES, *RIGHTS, *LIMITS, *NAMESPACES, *OTHERS], ids=str)
def test_run(docker: Docker, row: Case) -> None:
    if OUTSIDE and row.peer:
        pytest.skip(f"dockerd differs here: {row.peer}")
    check(docker(*ONCE, *row.flags, IMAGE, *row.command, stdin=row.stdin), row)
