"""How does the engine look into a container that does not run, or into an image?

A process forked ahead for a shim puts the tree together in a mount namespace of its own, as for a start, and hands its
root to the engine as a descriptor. Then it waits: the tree stands until the engine lets go of the connection, or is
killed. The host never sees a mount, and nothing of the tree is ever executed or loaded.

Of a container that runs, the engine needs no more than /proc/PID/root; what it may want from here is the root without
what is mounted in it, a clone that only a process of the container's own mount namespace can make (open_tree(2)).
"""

import os
import socket
from typing import NoReturn

from sampan.linux.fsmount import OpenTree, mount_setattr, move_mount, open_tree
from sampan.linux.mount import MountFlag, UmountFlag, mount, umount2
from sampan.linux.prctl import set_name
from sampan.linux.sched import CloneFlag, setns, unshare
from sampan.oci.mount import Mount
from sampan.runtime.overlay import make_overlay
from sampan.runtime.places import mount_all
from sampan.runtime.plan import mount_from_json
from sampan.runtime.protocol import Message, receive, send
from sampan.runtime.rootfs import AT_EMPTY_PATH, AT_FDCWD, perform
from sampan.runtime.status import StartFailed
from sampan.runtime.steps import sentence


def serve(message: Message, engine: socket.socket) -> NoReturn:
    """Put together what `message` describes, hand over its root, and wait for the engine to be done with it."""
    set_name("sampan:visit")
    try:
        root = _root_of(message["pid"]) if message["pid"] else _assemble(message)
        send(engine, {"ok": True}, [root])
        receive(engine)  # nothing ever comes: it ends
        if message["mounted"]:
            os.close(root)
            umount2(message["rootfs_path"], UmountFlag.DETACH)
    except StartFailed as error:
        _tell(engine, str(error))
    except OSError as error:
        _tell(engine, sentence(error))
    except BaseException as error:
        _tell(engine, f"{type(error).__name__}: {error}")
    os._exit(0)


def _assemble(message: Message) -> int:
    mount_all(message["places"])
    overlay = message["overlay"]
    if not overlay["type"]:
        return os.open(overlay["target"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    unshare(CloneFlag.NEWNS)
    mount("", "/", "", MountFlag.SLAVE | MountFlag.REC)
    root = make_overlay(Mount(**{**overlay, "options": tuple(overlay["options"])}))
    place = os.open(message["rootfs_path"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    move_mount(root, "", place, "")
    os.close(place)
    # What is mounted inside must not travel into other trees that share a peer group with this one.
    mount_setattr(root, "", AT_EMPTY_PATH, propagation=int(MountFlag.PRIVATE))
    for planned in message["mounts"]:
        perform(mount_from_json(planned), root)
    return root


def _root_of(pid: int) -> int:
    """A clone of a running container's root, without the mounts inside it."""
    theirs = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    setns(theirs, CloneFlag.NEWNS)
    os.close(theirs)
    return open_tree(AT_FDCWD, "/", OpenTree.CLONE | OpenTree.CLOEXEC)


def _tell(engine: socket.socket, error: str) -> None:
    try:
        send(engine, {"error": error})
    except OSError:
        pass  # nobody waits for the answer any more
