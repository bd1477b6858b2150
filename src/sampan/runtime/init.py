"""What happens between fork and execve?

This file is the recipe of a container, in order; each step is a function in the file named after it. When it ends
well, this process is the user's program. When a step fails, the parent learns which one and why, and the process dies.

    parent (launch.py)                     child (this file)
      clone3 ─────────────────────────────▶ 1 join namespaces; keyring, score, network, sysctls
      makes cgroup, overlay, id maps,
      runs hooks ────descriptors──────────▶ 2 join the cgroup, the last namespaces
                                            3 build the root filesystem         ──terminal──▶
                                            4 make it the root
                                            5 limits, identity, capabilities, seccomp
      sees the channel close ◀───────────── 6 execve

The channel is close-on-exec: its end without a report is the news that the program runs.
"""

import base64
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from sampan.linux.close_range import CloseRange, close_range
from sampan.linux.inside import mkdirs_in_root
from sampan.linux.keyctl import join_session_keyring
from sampan.linux.netdevice import set_up
from sampan.linux.personality import personality
from sampan.linux.prctl import set_name, set_no_new_privs, set_pdeathsig
from sampan.linux.procfs import status
from sampan.linux.sched import CloneFlag
from sampan.linux.seccomp import set_filter
from sampan.linux.title import set_title
from sampan.linux.uts import set_domain_name, set_host_name
from sampan.runtime import credentials, devices, masks, namespaces, reaper, rootfs, terminal, users
from sampan.runtime.hooks import run_hooks, state_of
from sampan.runtime.lookup import execute, look_up
from sampan.runtime.plan import ContainerPlan, MountPlan, ProcessPlan
from sampan.runtime.protocol import receive, send
from sampan.runtime.status import StartFailed
from sampan.runtime.steps import step
from sampan.runtime.sysctl import of_network, write_sysctls


@dataclass(slots=True, kw_only=True)
class Inherited:
    """What the parent opened for its child before it was cloned.

    `stdio`: the three standard streams, () for a terminal that is yet to be made. `joined`: namespaces to enter.
    `tasks`: cgroup files to write "0" into. `hold`: called right before execve. `preserve`: how many descriptors from 3
    on the program inherits.
    """

    channel: socket.socket
    stdio: tuple[int, ...] = ()
    joined: tuple[tuple[int, int], ...] = ()
    tasks: tuple[int, ...] = ()
    hold: Callable[[socket.socket], None] | None = None
    preserve: int = 0


@dataclass(slots=True)
class Site:
    """A root filesystem under construction. `left`: the mounts that are still to be made.

    `sources`: those of them that were made outside, in their order.
    """

    root: int
    null: int
    left: tuple[MountPlan, ...]
    has_devices: bool = False
    sources: list[int] = field(default_factory=list)


def run(plan: ContainerPlan, given: Inherited) -> NoReturn:
    """Turn this freshly cloned process into the container's first program."""
    channel = given.channel
    with step(channel, "1 namespaces, keyring, network, sysctls"):
        reset_signals()
        os.setsid()
        namespaces.join(given.joined)
        supplies, place = None, -1
        if plan.new_namespaces & CloneFlag.NEWUSER:
            # Nothing can be done before the parent has said who is who in here.
            supplies = _receive(channel)
            if plan.new_namespaces & CloneFlag.NEWNS:
                # While still nobody in here: root of this namespace may not look into the engine's directories.
                place = os.open(plan.rootfs_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if plan.in_user_namespace:
            namespaces.become_root_inside()
        host_side(plan)
        if plan.new_namespaces & CloneFlag.NEWNET:
            set_up("lo")
    with step(channel, "2 join the cgroup"):
        # What the parent made meanwhile: the overlay, if there is one, and the cgroup's files.
        fds = _receive(channel) if supplies is None else supplies
        overlay = fds.pop(0) if plan.overlay else -1
        sources: list[int] = []
        if place >= 0:
            count = sum(map(rootfs.made_outside, plan.mounts))
            sources, fds = fds[:count], fds[count:]
        for file in fds:
            os.write(file, b"0")
            os.close(file)
        namespaces.make_late(plan)
    with step(channel, "3 build the root filesystem"):
        root = _build_root(plan, given, overlay, place, sources)
    take_over(plan, given, root)


def arrive(plan: ContainerPlan, given: Inherited, site: Site) -> NoReturn:
    """The same from step 2 on, for a process whose starter has done all that can be done from outside."""
    with step(given.channel, "2 join the cgroup"):
        os.setsid()
        if plan.parent_death_signal:
            set_pdeathsig(plan.parent_death_signal)  # for now: a change of credentials takes it away again
        for file in given.tasks:
            os.write(file, b"0")
            os.close(file)
        namespaces.make_cgroup(plan)
    with step(given.channel, "3 build the root filesystem"):
        build_late(plan, given, site)
    take_over(plan, given, site.root)


def take_over(plan: ContainerPlan, given: Inherited, root: int) -> NoReturn:
    """Steps 4 to 6."""
    channel = given.channel
    keep_only(given)
    with step(channel, "4 make it the root"):
        if plan.new_namespaces & CloneFlag.NEWNS:
            rootfs.enter(root, no_pivot=plan.no_pivot)
            rootfs.share(plan.rootfs_propagation)
            if plan.rootfs_readonly:
                rootfs.make_read_only()
    with step(channel, "5 limits, identity, capabilities"):
        environment = prepare_process(plan.process, root, given.stdio)
    finish(plan, given, environment)


def _receive(channel: socket.socket) -> list[int]:
    """What the parent hands over. It ends this process by killing it, if its own part fails."""
    received = receive(channel)
    if received is None:
        os._exit(1)
    return received[1]


def reset_signals() -> None:
    """Every disposition back to default and none blocked, whatever this process was started with.

    Python ignores SIGPIPE and SIGXFSZ, and an ignored signal stays ignored over execve(2); a caught one does not.
    """
    ignored = int(status()["SigIgn"], 16)
    for number in range(1, signal.NSIG):
        if ignored >> number - 1 & 1:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def host_side(plan: ContainerPlan) -> None:
    """What concerns the host's files and the new namespaces, while both are in sight."""
    # A keyring of its own before anything else could use the session's (A33); a kernel without keyrings shares none.
    if plan.new_keyring:
        try:
            join_session_keyring(f"_ses.{plan.id}"[:200])
        except OSError:
            pass
    # Through the host's procfs, which no image can have prepared: the container's is mounted later (P2, A09).
    if not plan.in_user_namespace:
        credentials.adjust_oom_score(plan.process.oom_score_adj)
    if plan.init:
        # What docker's own shows as pid 1, in both places where ps looks.
        set_title(["/sbin/docker-init", "--", *plan.process.argv])
        set_name("docker-init")
    # With a new user namespace, the network's are set by the parent: the network may not belong to it.
    by_parent = plan.new_namespaces & CloneFlag.NEWUSER
    write_sysctls([sysctl for sysctl in plan.sysctls if not (by_parent and of_network(sysctl))])
    if plan.hostname:
        set_host_name(plan.hostname)
    if plan.domainname:
        set_domain_name(plan.domainname)


def _build_root(plan: ContainerPlan, given: Inherited, overlay: int, place: int, sources: list[int]) -> int:
    """The finished tree at its place; a descriptor of its root. `sources`: mounts that the parent has made."""
    if not plan.new_namespaces & CloneFlag.NEWNS:
        # A joined mount namespace already is somebody's container: there is no tree to build.
        return os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    site = found(plan, overlay, place)
    site.sources = sources
    build_late(plan, given, site)
    return site.root


def found(plan: ContainerPlan, overlay: int, place: int = -1) -> Site:
    """Put the root in its place; nothing is mounted in it yet."""
    null = masks.open_null()
    return Site(rootfs.attach_root(plan, overlay, place), null, plan.mounts)


def build_early(plan: ContainerPlan, site: Site) -> None:
    """Make what needs neither the container's pid namespace nor anything of the user's to be there before."""
    early, site.left = rootfs.split(site.left)
    for mount in early:
        rootfs.perform(rootfs.writable_at_first(mount, plan.mounts), site.root)
    # Devices after the mounts, for /dev itself is one: now, if all that is left is /proc.
    if all(mount.fstype == "proc" for mount in site.left):
        _populate(plan, site)


def _populate(plan: ContainerPlan, site: Site) -> None:
    """The nodes of /dev, unless the user brought a whole /dev."""
    brought = any(m.target == "/dev" and m.kind in ("bind", "tree") for m in plan.mounts)
    if not brought:
        devices.populate(plan.devices, site.root, by_bind=plan.in_user_namespace)
    site.has_devices = True


def build_late(plan: ContainerPlan, given: Inherited, site: Site) -> None:
    """Make the rest, masks last."""
    root = site.root
    for mount in site.left:
        given_ready = site.sources and rootfs.made_outside(mount)
        source = site.sources.pop(0) if given_ready else -1
        rootfs.perform(rootfs.writable_at_first(mount, plan.mounts), root, source)
    if not site.has_devices:
        _populate(plan, site)
    if plan.process.terminal:
        master, slave = terminal.open_terminal(root, plan.process.rows, plan.process.columns)
        terminal.bind_console(root, slave)
        send(given.channel, {"terminal": True}, [master])
        os.close(master)
        terminal.take(slave)
    run_hooks(plan.hooks.create_container, "createContainer", state_of(plan, "creating", os.getpid()))
    if plan.process.workdir_create:
        os.close(mkdirs_in_root(root, plan.process.cwd, 0o755))
    # Masks after every mount of the user's, so that none of them can uncover what is masked (A27); and before the old
    # root is gone, since only a mount of this namespace, here the host's /dev/null, can be cloned.
    masks.make_read_only(plan.readonly_paths, root)
    masks.mask(plan.masked_paths, root, site.null)
    rootfs.close_for_writing(plan.mounts, root)


def keep_only(given: Inherited) -> None:
    """Let everything but stdio end with execve; the channel among them, which tells the parent (A03, P4).

    Before a filter is loaded, for close_range(2) is younger than many; what is opened later is close-on-exec anyway.
    """
    close_range(3 + given.preserve, flags=CloseRange.CLOEXEC)
    for fd in range(3, 3 + given.preserve):
        os.set_inheritable(fd, True)


def prepare_process(process: ProcessPlan, root: int, streams: Sequence[int] = ()) -> dict[str, str]:
    """Everything about the process itself, up to its last right but one; its environment.

    `streams`: what will be its standard streams, if they are not yet.
    """
    uid, gid, groups, home = users.resolve(process.user, root)
    credentials.limit(process)
    if process.no_new_privileges:
        set_no_new_privs()
    elif process.seccomp:
        # Without no_new_privs loading a filter takes CAP_SYS_ADMIN: so before the capabilities go (seccomp(2)).
        set_filter(base64.b64decode(process.seccomp), process.seccomp_flags)
    credentials.drop_bounding(process.capabilities)
    _own_stdio(uid, streams or range(3))
    credentials.become(uid, gid, groups)
    enter_directory(process.cwd)
    os.umask(process.umask)
    credentials.settle(process.capabilities)
    if process.personality is not None:
        personality(process.personality)
    environment = dict(entry.partition("=")[::2] for entry in process.env)
    environment.setdefault("HOME", home)
    return environment


def _own_stdio(uid: int, streams: Sequence[int]) -> None:
    """Let a user other than root reopen its own streams through /dev/stdout and /proc/self/fd."""
    if uid:
        for fd in streams:
            try:
                if os.fstat(fd).st_rdev != os.makedev(1, 3):
                    os.fchown(fd, uid, -1)
            except OSError:
                pass  # not every kind of stream can change hands, and none needs to


def enter_directory(path: str) -> None:
    """chdir(2), and a check that it led nowhere outside: a leaked descriptor could be a way (CVE-2024-21626)."""
    try:
        os.chdir(path)
    except OSError as error:
        raise StartFailed(
            f'chdir to cwd ("{path}") set in config.json failed: {os.strerror(error.errno or 0).lower()}', 126
        ) from None
    if not os.getcwd().startswith("/"):
        raise StartFailed(
            "current working directory is outside of container mount namespace root -- "
            "possible container breakout detected"
        )


def finish(plan: ContainerPlan, given: Inherited, environment: dict[str, str]) -> NoReturn:
    """The last two steps, shared with exec: wire the streams, execute."""
    channel, process = given.channel, plan.process
    with step(channel, "5 streams"):
        for number, fd in enumerate(given.stdio):
            os.dup2(fd, number)
        path = look_up(process.argv[0], environment.get("PATH", ""))
        if given.hold:
            given.hold(channel)
        # Only now is it being started (runtime.md "Lifecycle", step 8).
        run_hooks(plan.hooks.start_container, "startContainer", state_of(plan, "created", os.getpid()))
        if plan.parent_death_signal:
            set_pdeathsig(plan.parent_death_signal)
    child = reaper.split() if plan.init else 0
    if child:
        close_range(3)
        reaper.reap(child)
    with step(channel, "6 execute the program"):
        if process.no_new_privileges and process.seccomp:
            # With no_new_privs last of all, so that the filter need not allow what was called above.
            set_filter(base64.b64decode(process.seccomp), process.seccomp_flags)
        execute(path, process.argv, environment)
