#!/bin/sh
# What can a process see and do? Prints everything that a container's isolation consists of, in sections.
section() { echo "[$1]"; }

section status
grep -E '^(Uid|Gid|Groups|Umask|Sig(Q|Pnd|Blk|Ign|Cgt)|ShdPnd|Cap|NoNewPrivs|Seccomp:)' /proc/self/status | grep -v SigQ
section identity
id; pwd; echo "host name $(hostname)"; echo "oom score $(cat /proc/self/oom_score_adj)"; echo "personality $(cat /proc/self/personality)"
echo "pid 1 $(cat /proc/1/comm)"; echo "keys $(grep -c . /proc/keys | sed "s/[1-9].*/some/")"
section namespaces
for kind in cgroup ipc mnt net pid time user uts; do echo "$kind $(readlink /proc/self/ns/$kind)"; done
section environment
env | sort
section limits
sed 1d /proc/self/limits
section descriptors
probe fds
section mounts
cat /proc/self/mountinfo
section dev
find /dev -mindepth 1 | sort | while read -r path; do stat -c '%N|%F|%a|%u:%g|%t:%T' "$path"; done

# Of a path: its kind, what can be read of it, and whether it can be written.
reach() {
    if [ -d "$1" ]; then what="directory with $(ls -A "$1" 2>/dev/null | head -1 | wc -l) entries"
    elif [ -c "$1" ]; then what="device $(stat -c %t:%T "$1")"
    elif [ -e "$1" ]; then what="file with $(head -c 1 "$1" 2>/dev/null | wc -c) bytes"
    else what=absent; fi
    echo "$1 | $what | $(write "$1")"
}
# What comes of opening a file to write, or of making a directory; nothing is written. test -w would ask only the mode.
write() {
    if [ -d "$1" ]; then said=$(mkdir "$1/made-by-dump" 2>&1 && rmdir "$1/made-by-dump")
    else said=$( (: >>"$1") 2>&1); fi
    [ -z "$said" ] && echo writable || echo "${said##*: }"
}
section masked
for path in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi \
    /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware /sys/devices/system/cpu/cpu0/thermal_throttle; do
    reach $path
done
section readonly
for path in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger /sys /sys/kernel /sys/fs/cgroup / /dev /dev/shm /dev/mqueue /proc; do
    echo "$path $(write $path)"
done
section knobs
for path in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/kernel/hostname \
    /proc/sys/kernel/sysrq /proc/sys/kernel/panic /proc/sys/kernel/randomize_va_space /proc/sys/kernel/ns_last_pid \
    /proc/sys/kernel/shmmax /proc/sys/kernel/msgmax /proc/sys/vm/overcommit_memory /proc/sys/vm/drop_caches \
    /proc/sys/fs/binfmt_misc/register /proc/sys/fs/file-max /proc/sys/fs/mqueue/msg_max /proc/sys/net/ipv4/ip_forward \
    /proc/sys/net/ipv4/ping_group_range /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/uevent_helper \
    /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/profiling /sys/power/state /sys/class/net/lo/mtu; do
    [ -e $path ] && echo "$path $(write $path)"
done
section sysctls
for name in net/ipv4/ping_group_range net/ipv4/ip_unprivileged_port_start; do echo "$name $(cat /proc/sys/$name | tr '\t' ' ')"; done
section cgroup
cat /proc/self/cgroup
for path in /sys/fs/cgroup/*; do echo "$path $(write $path)"; done
for file in $(find /sys/fs/cgroup -name release_agent -o -name devices.allow -o -name notify_on_release | sort); do
    echo "${file##*/} $(write $file)"
done
section devices
# May it make a node, and open it? "Operation not permitted" is the device cgroup; another reason is the driver's.
try() {
    rm -f /tmp/node; said=$(mknod /tmp/node $1 $2 $3 2>&1 && dd if=/tmp/node of=/dev/null bs=1 count=0 2>&1)
    case "$said" in *"not permitted"*) echo "$1 $2:$3 refused" ;; *) echo "$1 $2:$3 allowed" ;; esac
    rm -f /tmp/node
}
for node in "c 1 1" "c 1 2" "c 1 3" "c 1 4" "c 1 5" "c 1 7" "c 1 8" "c 1 9" "c 1 11" "c 5 0" "c 5 1" "c 5 2" "c 10 200" "c 10 229" "b 7 0" "b 8 0"; do
    try $node
done
section answers
probe
section doors
probe doors
