"""The only door to the kernel: one file per header or man page. Knows no container word. Standard library only.

Every function is named after its man page, takes Python values, sets close-on-exec on what it opens, and raises
OSError with the errno and the paths it was about. In reading order:

    call        how a C function or a system call is called: prototypes, numbers, errno
    mount       mount(2), umount2(2), pivot_root(2)
    fsmount     fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2)
    openat2     openat2(2)
    chown       fchownat(2) of what cannot be opened
    inside      paths that cannot leave a root directory, on top of openat2
    sched       clone3(2), unshare(2), setns(2)
    pidfd       pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2)
    prctl       prctl(2)
    capability  capabilities(7), capset(2)
    rlimit      prlimit(2); personality, ioprio, uts, keyctl: what else a process carries
    seccomp     seccomp(2); syscalls: the names and numbers of every architecture
    landlock    landlock(7): no file but those below one directory
    pty         pty(7)
    socket      unix(7): descriptors and credentials over a socket
    procfs      proc(5)
    statfs      statfs(2): which filesystem is this, really?
    cgroupfs    cgroups(7): which hierarchies are there?
    bpf         bpf(2): the device program of a cgroup
    inotify     inotify(7)
    memfd       memfd_create(2), with seals
    netdevice   netdevice(7)
    close_range close_range(2)

ctypes is imported here and nowhere else. Nothing here is asynchronous, logs, or runs a program.
"""
