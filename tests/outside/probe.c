// What may a process in a container do? Run inside one; prints a line for each attempt: a name, and the errno's name or "ok".
// Every call is made with arguments that do nothing if it is allowed: what matters is which error comes first.
// Build: cc -static -o probe probe.c
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) {
    printf("%s %s\n", name, result >= 0 ? "ok" : strerrorname_np(errno));
    fflush(stdout);
}

// A call that could change the caller is made by a child.
#define IN_CHILD(name, call) do { \
        pid_t child = fork(); \
        if (!child) { errno = 0; long result = (call); say(name, result); _exit(0); } \
        waitpid(child, 0, 0); \
    } while (0)
#define TRY(number, ...) IN_CHILD(#number, syscall(SYS_##number, ##__VA_ARGS__))

static void system_calls(void) {
    char path[] = "/nonexistent";
    // 64 bytes of zeros: a valid address for a structure, and an empty one.
    static char zeros[4096];
    TRY(acct, path); TRY(add_key, 0, 0, 0, 0, 0); TRY(bpf, -1, zeros, 64); TRY(clock_adjtime, 0, zeros);
    TRY(clock_settime, 99, zeros); TRY(delete_module, path, 0); TRY(fanotify_init, ~0, 0); TRY(finit_module, -1, path, 0);
    TRY(fsconfig, -1, 99, 0, 0, 0); TRY(fsmount, -1, 0, 0); TRY(fsopen, path, 0); TRY(fspick, -1, path, 0);
    TRY(init_module, 0, 0, path); TRY(io_uring_setup, 0, zeros); TRY(kcmp, 1, 1, 99, 0, 0); TRY(kexec_load, 0, 0, 0, ~0ul);
    TRY(keyctl, 99, 0, 0, 0, 0); TRY(lookup_dcookie, 0, zeros, 8); TRY(mbind, 0, 4096, 99, 0, 0, 0);
    TRY(migrate_pages, 0, 0, 0, 0); TRY(mount, path, path, path, 0, 0); TRY(mount_setattr, -1, path, 0, zeros, 32);
    TRY(move_mount, -1, path, -1, path, 0); TRY(move_pages, 0, 0, 0, 0, 0, 0); TRY(name_to_handle_at, -1, path, zeros, zeros, 0);
    TRY(open_by_handle_at, -1, zeros, 0); TRY(open_tree, -1, path, 0); TRY(perf_event_open, zeros, 0, -1, -1, 0);
    TRY(pivot_root, path, path); TRY(process_madvise, -1, 0, 0, 0, 0); TRY(process_vm_readv, 1, 0, 0, 0, 0, 0);
    TRY(ptrace, 99, 0, 0, 0); TRY(quotactl, 0, path, 0, 0); TRY(reboot, 0, 0, 0, 0); TRY(request_key, 0, 0, 0, 0);
    TRY(set_mempolicy, 99, 0, 0); TRY(setdomainname, zeros, 9999); TRY(sethostname, zeros, 9999); TRY(setns, -1, 0);
    TRY(settimeofday, -1, -1); TRY(swapoff, path); TRY(swapon, path, 0); TRY(syslog, 99, 0, 0);
    TRY(umount2, path, 0); TRY(unshare, CLONE_NEWUSER); TRY(userfaultfd, ~0); TRY(vhangup);
#ifdef SYS_iopl
    TRY(iopl, 9); TRY(ioperm, 0, 1, 9); TRY(uselib, path); TRY(ustat, 0, zeros); TRY(sysfs, 99, 0, 0);
#endif
    TRY(clone3, zeros, 0); TRY(pidfd_getfd, -1, 0, 0); TRY(pidfd_open, 1, 0); TRY(memfd_create, "x", 0);
    TRY(landlock_create_ruleset, 0, 0, 1); TRY(seccomp, 99, 0, 0); TRY(personality, 0xffffffff); TRY(personality, 0x0400000);
    TRY(chroot, path); TRY(capget, 0, 0); TRY(sched_setattr, 0, zeros, ~0); TRY(rseq, zeros, 1, 0, 0);
    IN_CHILD("unshare(CLONE_NEWCGROUP)", unshare(CLONE_NEWCGROUP));
    IN_CHILD("unshare(CLONE_NEWNS)", unshare(CLONE_NEWNS));
    IN_CHILD("unshare(CLONE_FILES)", unshare(CLONE_FILES));
    // The new process says nothing, or it would race with the end of this one.
    IN_CHILD("clone(CLONE_NEWUSER)", ({
        long made = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
        if (made == 0) _exit(0);
        made;
    }));
    IN_CHILD("mount(cgroup)", mount("none", "/mnt", "cgroup", 0, "memory"));
    IN_CHILD("mount(proc)", mount("none", "/proc", "proc", 0, 0));
    IN_CHILD("remount(/proc/sys)", mount(0, "/proc/sys", 0, MS_REMOUNT | MS_BIND, 0));
    IN_CHILD("umount(/proc/kcore)", umount("/proc/kcore"));
    IN_CHILD("socket(AF_ALG)", socket(38, SOCK_SEQPACKET, 0));
    IN_CHILD("socket(AF_VSOCK)", socket(40, SOCK_STREAM, 0));
    IN_CHILD("socket(AF_UNIX)", socket(AF_UNIX, SOCK_STREAM, 0));
    IN_CHILD("socket(AF_PACKET)", socket(AF_PACKET, SOCK_RAW, 0));
    // An address that cannot be read: EFAULT where the call is allowed, and the clock stays.
    IN_CHILD("clock_settime(CLOCK_REALTIME)", syscall(SYS_clock_settime, 0, 1));
}

#if defined(__x86_64__)
// The same kernel through its other doors: numbers with the x32 bit, and the 32-bit entry.
static long through_int80(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    if (result < 0 && result > -4096) { errno = -result; return -1; }
    return result;
}
static void other_doors(void) {
    IN_CHILD("x32 getpid", syscall(0x40000000 + 39));
    IN_CHILD("x32 unshare", syscall(0x40000000 + SYS_unshare, CLONE_NEWUSER));
    IN_CHILD("i386 getpid", through_int80(20, 0, 0, 0));
    IN_CHILD("i386 mount", through_int80(21, 0, 0, 0));
    IN_CHILD("i386 unshare", through_int80(310, CLONE_NEWUSER, 0, 0));
    IN_CHILD("i386 keyctl", through_int80(288, 99, 0, 0));
    IN_CHILD("i386 bpf", through_int80(357, -1, 0, 0));
    IN_CHILD("i386 setns", through_int80(346, -1, 0, 0));
}
#else
static void other_doors(void) {}
#endif

static void signals_and_descriptors(void) {
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf("fd %d\n", fd);
    for (int number = 1; number < 65; number++) {
        struct sigaction action;
        if (!sigaction(number, 0, &action) && action.sa_handler != SIG_DFL) printf("signal %d not default\n", number);
    }
    sigset_t blocked;
    sigprocmask(0, 0, &blocked);
    for (int number = 1; number < 65; number++)
        if (sigismember(&blocked, number) == 1) printf("signal %d blocked\n", number);
}

int main(int count, char **arguments) {
    if (count > 1 && !strcmp(arguments[1], "fds")) signals_and_descriptors();
    else if (count > 1 && !strcmp(arguments[1], "doors")) other_doors();
    else system_calls();
    return 0;
}
