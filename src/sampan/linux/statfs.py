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


def fstatfs_type(fd: int) -> int:
    """fstatfs(2): the magic number (f_type) of the filesystem that `fd` lies on; an O_PATH descriptor will do."""
    buffer = create_string_buffer(256)  # struct statfs is 120 bytes on 64-bit machines
    call("fstatfs", fd, buffer)
    (magic,) = struct.unpack_from("l", buffer)
    return int(magic)
