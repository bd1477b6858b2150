"""What does a RUN see besides the stage? `--mount` of the five types, and the files of its heredocs.

Each mount becomes entries of the OCI spec, and what it contributes to the step's key: contents by digest, a cache or a
secret only by its name. What is bound is resolved here, in trees that nothing changes any more, so no link in a context
or a stage leads anywhere else (security catalogue E02, E05). Secrets lie in memory, outside of every layer, while the
step runs; the empty files that they were mounted on are left out of the layer (E03, E17).
"""

import os
import posixpath
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sampan.builder.build import Build, Position
from sampan.builder.cache import key_of
from sampan.builder.dockerfile.instructions import Run
from sampan.builder.dockerfile.mounts import BIND, CACHE, SECRET, SSH, TMPFS, RunMount, parse_mount
from sampan.builder.mount_cache import cache_id_of
from sampan.builder.operations.ssh_mount import mount_agent, with_targets
from sampan.builder.place import Placement
from sampan.builder.select import Selected
from sampan.builder.sources import layers_of
from sampan.builder.state import State
from sampan.builder.tree import Entry, Tree
from sampan.errors import InvalidRequest, NotFound
from sampan.layers.tar import Kind
from sampan.linux.remove_tree import remove_tree
from sampan.oci.mount import Mount
from sampan.wire.patterns import Ignore

SECRETS = "/run/secrets/"
AUTH_SOCK = "SSH_AUTH_SOCK="
SECRET_MODE = 0o400
SECRET_BYTES_MAX = 500 << 10
CACHE_MODE = 0o755
QUIET = ("nosuid", "nodev", "noexec")


@dataclass(slots=True)
class Mounted:
    """The mounts of one step. `points` are where they are, as paths of the stage; `key` what the step's key knows."""

    mounts: list[Mapping[str, Any]] = field(default_factory=list)
    shared: list[Mount] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    points: list[bytes] = field(default_factory=list)
    key: list[Any] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)


async def mount_all(
    build: Build, state: State, at: Position, instruction: Run, files: Mapping[str, bytes], held: AsyncExitStack
) -> Mounted:
    """Prepare every mount; `held` undoes it. Raises InvalidRequest, NotFound."""
    mounted = Mounted()
    parsed = [parse_mount(text, lambda word: state.expand(word, instruction)) for text in instruction.mounts]
    parsed = with_targets(parsed)
    by_position: dict[int, list[Mapping[str, Any]]] = {}
    for position, mount in await _in_order(build, at, parsed):
        target = posixpath.normpath(posixpath.join("/", state.workdir, _target(mount)))
        if target.lstrip("/") == "" and (mount.target or mount.kind in (BIND, CACHE, TMPFS)):
            raise InvalidRequest(f"invalid mount target {mount.target!r}: it is the root")
        before = len(mounted.mounts)
        target = await _mount(build, mounted, mount, target, at, held)
        by_position[position] = mounted.mounts[before:]
        if target:
            mounted.points.append(os.fsencode(target.lstrip("/")))
    mounted.mounts = [entry for position in sorted(by_position) for entry in by_position[position]]
    for path, data in files.items():
        _file(build, mounted, path, data, held, mode=0o755)
        mounted.points.append(os.fsencode(path.lstrip("/")))
    if mounted.points:
        mounted.points = await build.in_thread(partial(_real_points, build, state, mounted.points))
    return mounted


async def _in_order(build: Build, at: Position, parsed: Sequence[RunMount]) -> list[tuple[int, RunMount]]:
    """The mounts with their positions, as they are to be prepared, so that steps never wait for each other in a circle.

    Caches come last, when no stage has to be waited for any more (it may want the same cache), and by their names.
    """
    caches = sorted(
        (each for each in enumerate(parsed) if each[1].kind == CACHE),
        key=lambda each: (each[1].id or each[1].target, each[1].from_, each[1].source),
    )
    for _, mount in caches:
        if mount.from_:
            await layers_of(build, mount.from_, at)
    return [*(each for each in enumerate(parsed) if each[1].kind != CACHE), *caches]


async def _mount(
    build: Build, mounted: Mounted, mount: RunMount, target: str, at: Position, held: AsyncExitStack
) -> str:
    """Prepare one; where it is mounted, "" for nowhere."""
    if mount.kind == BIND:
        await _bind(build, mounted, mount, target, at)
    elif mount.kind == CACHE:
        await _cache(build, mounted, mount, target, at, held)
    elif mount.kind == TMPFS:
        size = (f"size={mount.size}",) if mount.size else ()
        mounted.mounts.append(_entry(target, "tmpfs", "tmpfs", "nosuid", "nodev", *size))
        mounted.key.append([TMPFS, target, mount.size])
    elif mount.kind == SECRET:
        return _secret(build, mounted, mount, target, held)
    elif mount.kind == SSH:
        mounted.key.append([SSH, mount.id, target])
        source = await mount_agent(build, mount, held)
        if not source:
            return ""
        mounted.mounts.append(_entry(target, "bind", source, "bind", *QUIET, "private"))
        if not any(variable.startswith(AUTH_SOCK) for variable in mounted.env):
            mounted.env.append(AUTH_SOCK + target)
    return target


def _target(mount: RunMount) -> str:
    if mount.kind == SECRET and not mount.target and not mount.env:
        return SECRETS + mount.id
    return mount.target


def _real_points(build: Build, state: State, points: list[bytes]) -> list[bytes]:
    """Where the targets really are in the stage, links resolved."""
    with build.tree(state.diff_ids) as tree:
        return [tree.resolve(point)[0] for point in points]


async def _bind(build: Build, mounted: Mounted, mount: RunMount, target: str, at: Position) -> None:
    diff_ids = await layers_of(build, mount.from_, at)
    await build.in_thread(partial(_bind_tree, build, mounted, mount, target, diff_ids))


def _bind_tree(build: Build, mounted: Mounted, mount: RunMount, target: str, diff_ids: Sequence[str]) -> None:
    with build.tree(list(diff_ids)) as tree:
        path, entry = tree.resolve(os.fsencode(mount.source or "/"))
        if entry is None:
            raise NotFound(f'failed to calculate checksum: "{mount.source}": not found')
        content = _digest(tree, path, entry)
        mounted.key.append([BIND, target, mount.readonly, content])
        if not mount.readonly and not entry.is_directory:
            copied = _copied(tree, entry, build.workspace.path / secrets.token_hex(8))
            mounted.mounts.append(_entry(target, "bind", str(copied), "bind", "nosuid", "nodev", "private"))
            return
    sources = _sources(build, mounted, diff_ids, path, entry)
    if mount.readonly and len(sources) == 1:
        mounted.mounts.append(_entry(target, "bind", sources[0], "bind", "ro", "nosuid", "nodev", "private"))
        return
    options = [f"lowerdir+={source}" for source in sources]
    if not mount.readonly:
        options += _upper(build.workspace.path / secrets.token_hex(8), entry)
    mounted.mounts.append(_entry(target, "overlay", "overlay", *(["ro"] if mount.readonly else []), *options))


def _sources(build: Build, mounted: Mounted, diff_ids: Sequence[str], path: bytes, entry: Entry) -> list[str]:
    """Where the kernel finds the parts of an entry, topmost first, when the layers are mounted."""
    roots = []
    for diff_id in diff_ids:
        layer, directory = build.services.layers.mount_of(diff_id)
        if layer is not None:
            mounted.shared.append(layer)
        roots.append(directory)
    roots.reverse()  # parts count from the top
    return [f"{roots[number]}/{os.fsdecode(path)}".rstrip("/") for number, _ in entry.parts]


def _upper(directory: Path, entry: Entry) -> list[str]:
    """Options of an overlay that writes into `directory`, made if it is new; its root looks like the entry."""
    upper, work = directory / "upper", directory / "work"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        upper.mkdir(mode=0o700)
    except FileExistsError:
        pass  # a cache that was used before
    else:
        os.chown(upper, entry.inode.uid, entry.inode.gid)
        os.chmod(upper, entry.mode)
    return [f"upperdir={upper}", f"workdir={work}"]


def _copied(tree: Tree, entry: Entry, path: Path) -> Path:
    """A file of its own for one step, which may write to it; nobody sees what it wrote."""
    if entry.kind is not Kind.FILE:
        raise InvalidRequest("only files and directories can be mounted")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        for piece in tree.data(entry):
            file.write(piece)
        os.fchown(file.fileno(), entry.inode.uid, entry.inode.gid)
        os.fchmod(file.fileno(), entry.mode)
    return path


def _digest(tree: Tree, path: bytes, entry: Entry) -> str:
    """What a step can see of what is bound: names, contents, permissions; no times."""
    with Tree([]) as nothing:
        placement = Placement(base=nothing)
        placement.copy(tree, Selected(path or b"/", entry, path), "/bound", Ignore(()), into=False, keep_owner=True)
        return placement.digest()


async def _cache(
    build: Build, mounted: Mounted, mount: RunMount, target: str, at: Position, held: AsyncExitStack
) -> None:
    namespace = build.request.arguments.get("BUILDKIT_CACHE_MOUNT_NS") or ""
    cache_id = cache_id_of(namespace, mount.id or target)
    if mount.from_ and (diff_ids := await layers_of(build, mount.from_, at)):
        await _cache_from(build, mounted, mount, target, cache_id, diff_ids, held)
        return
    if mount.sharing == "locked":
        _lock_once(mounted, cache_id)
    mode = CACHE_MODE if mount.mode is None else mount.mode
    directory = await held.enter_async_context(
        build.services.mount_caches.use(cache_id, mount.sharing, mode=mode, uid=mount.uid or 0, gid=mount.gid or 0)
    )
    mounted.mounts.append(
        _entry(
            target, "bind", str(directory), "bind", *(["ro"] if mount.readonly else []), "nosuid", "nodev", "private"
        )
    )
    mounted.key.append([CACHE, target, cache_id])


def _lock_once(mounted: Mounted, cache_id: str) -> None:
    """A step that waited for itself would wait for ever. Raises InvalidRequest."""
    if cache_id in mounted.locked:
        raise InvalidRequest("one step mounts the same cache twice, which only sharing=shared without from= allows")
    mounted.locked.add(cache_id)


async def _cache_from(
    build: Build,
    mounted: Mounted,
    mount: RunMount,
    target: str,
    cache_id: str,
    diff_ids: Sequence[str],
    held: AsyncExitStack,
) -> None:
    """A cache that begins with files of a stage: the cache has what was changed, above layers that never change.

    Other layers or another directory have a cache of their own. An overlay's upper directory is one mount's alone, so
    steps that would share it take turns.
    """

    def sources() -> tuple[list[str], Entry]:
        with build.tree(list(diff_ids)) as tree:
            path, entry = tree.resolve(os.fsencode(mount.source or "/"))
            if entry is None or not entry.is_directory:
                raise NotFound(f'failed to calculate checksum: "{mount.source}": not found, or no directory')
            return _sources(build, mounted, diff_ids, path, entry), entry

    lower, entry = await build.in_thread(sources)
    sharing = "private" if mount.sharing == "private" else "locked"
    # Without a slash, so it is the id of no other cache: what is imported under an id never becomes an overlay's.
    own_id = key_of(cache_id, list(diff_ids), mount.source)
    if sharing == "locked":
        _lock_once(mounted, own_id)
    directory = await held.enter_async_context(
        build.services.mount_caches.use(own_id, sharing, mode=0o700, uid=0, gid=0)
    )
    options = [*(f"lowerdir+={source}" for source in lower), *_upper(directory, entry)]
    mounted.mounts.append(_entry(target, "overlay", "overlay", *(["ro"] if mount.readonly else []), *options))
    mounted.key.append([CACHE, target, cache_id, list(diff_ids), mount.source])


def _secret(build: Build, mounted: Mounted, mount: RunMount, target: str, held: AsyncExitStack) -> str:
    """A file in memory, or a variable; where it is mounted, "" for nowhere."""
    value = build.request.secrets.get(mount.id)
    mounted.key.append([SECRET, mount.id, target if mount.target or not mount.env else "", mount.env])
    if value is None:
        if mount.required:
            raise InvalidRequest(f"failed to build: secret {mount.id}: not found")
        return ""
    if len(value) > SECRET_BYTES_MAX:
        raise InvalidRequest(f"secret {mount.id} is larger than {SECRET_BYTES_MAX} bytes")
    if mount.env:
        try:
            mounted.env.append(f"{mount.env}={value.decode()}")
        except UnicodeDecodeError:
            raise InvalidRequest(f"secret {mount.id} is not text, so it cannot be a variable") from None
        if not mount.target:
            return ""
    mode = SECRET_MODE if mount.mode is None else mount.mode
    _file(build, mounted, target, value, held, mode=mode, uid=mount.uid or 0, gid=mount.gid or 0, options=QUIET)
    return target


def _file(
    build: Build,
    mounted: Mounted,
    target: str,
    data: bytes,
    held: AsyncExitStack,
    *,
    mode: int,
    uid: int = 0,
    gid: int = 0,
    options: Sequence[str] = ("nosuid", "nodev"),
) -> None:
    """A file of its own directory in memory, bound to `target` while the step runs."""
    root: Path = build.services.secrets_root
    root.mkdir(mode=0o700, exist_ok=True)
    name = secrets.token_hex(16)
    (root / name).mkdir(mode=0o700)
    held.callback(_remove, root, name)
    descriptor = os.open(root / name / "file", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    mounted.mounts.append(_entry(target, "bind", str(root / name / "file"), "bind", "ro", *options, "private"))


def _remove(root: Path, name: str) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_tree(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _entry(target: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}
