"""Which kind of filesystem does a descriptor really lie on?

fstatfs(2). A path can be made to look like /proc; the filesystem's magic number cannot.
"""

import struct
from ctypes import create_string_buffer

from sampan.linux.call import call

# linux/magic.h
PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572
TMPFS_MAGIC = 0x01021994
CGROUP_SUPER_MAGIC = 0x27E0EB
CGROUP2_SUPER_MAGIC = 0x63677270
OVERLAYFS_SUPER_MAGIC = 0x794C7630
EROFS_SUPER_MAGIC_V1 = 0xE0F5E1E2
DEVPTS_SUPER_MAGIC = 0x1CD1
NSFS_MAGIC = 0x6E736673
DEBUGFS_MAGIC = 0x64626720
TRACEFS_MAGIC = 0x74726163
SECURITYFS_MAGIC = 0x73636673
BPF_FS_MAGIC = 0xCAFE4A11
EFIVARFS_MAGIC = 0xDE5E81E4
BINFMTFS_MAGIC = 0x42494E4D

# Of filesystems whose number is in no header: ipc/mqueue.c, fs/configfs/mount.c, fs/fuse/control.c.
_MQUEUE_MAGIC = 0x19800202
_CONFIGFS_MAGIC = 0x62656570
_FUSE_CTL_MAGIC = 0x65735543

_KERNELS_OWN = frozenset(
    (
        PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, NSFS_MAGIC,
        _MQUEUE_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, BPF_FS_MAGIC, _CONFIGFS_MAGIC, EFIVARFS_MAGIC,
        BINFMTFS_MAGIC, _FUSE_CTL_MAGIC,
    )
)  # fmt: skip


def is_kernels_own(magic: int) -> bool:
    """Whether a filesystem of that type shows the kernel's state, and holds nobody's files."""
    return magic & 0xFFFFFFFF in _KERNELS_OWN


def fstatfs_type(fd: int) -> int:
    """fstatfs(2): the magic number (f_type) of the filesystem that `fd` lies on; an O_PATH descriptor will do."""
    buffer = create_string_buffer(256)  # struct statfs is 120 bytes on 64-bit machines
    call("fstatfs", fd, buffer)
    (magic,) = struct.unpack_from("l", buffer)
    return int(magic)
