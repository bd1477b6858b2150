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
from sampan.builder.dockerfile.instructions import Run
from sampan.builder.dockerfile.mounts import BIND, CACHE, SECRET, SSH, TMPFS, RunMount, parse_mount
from sampan.builder.mount_cache import cache_id_of
from sampan.builder.place import Placement
from sampan.builder.select import Selected
from sampan.builder.sources import layers_of
from sampan.builder.state import State
from sampan.builder.tree import Entry, Tree
from sampan.errors import InvalidRequest, NotFound, NotSupported
from sampan.linux.remove_tree import remove_tree
from sampan.oci.mount import Mount
from sampan.wire.patterns import Ignore

SECRETS = "/run/secrets/"
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


async def mount_all(
    build: Build, state: State, at: Position, instruction: Run, files: Mapping[str, bytes], held: AsyncExitStack
) -> Mounted:
    """Prepare every mount; `held` undoes it. Raises InvalidRequest, NotFound."""
    mounted = Mounted()
    for text in instruction.mounts:
        mount = parse_mount(text, lambda word: state.expand(word, instruction))
        target = posixpath.normpath(posixpath.join("/", state.workdir, _target(mount)))
        if target.lstrip("/") == "" and (mount.target or mount.kind in (BIND, CACHE, TMPFS)):
            raise InvalidRequest(f"invalid mount target {mount.target!r}: it is the root")
        if mount.kind == BIND:
            await _bind(build, mounted, mount, target, at)
        elif mount.kind == CACHE:
            await _cache(build, mounted, mount, target, held)
        elif mount.kind == TMPFS:
            size = (f"size={mount.size}",) if mount.size else ()
            mounted.mounts.append(_entry(target, "tmpfs", "tmpfs", "nosuid", "nodev", *size))
            mounted.key.append([TMPFS, target, mount.size])
        elif mount.kind == SECRET:
            target = _secret(build, mounted, mount, target, held)
        elif mount.kind == SSH:
            raise NotSupported("RUN --mount=type=ssh is not supported yet: use a secret")
        if target:
            mounted.points.append(os.fsencode(target.lstrip("/")))
    for path, data in files.items():
        _file(build, mounted, path, data, held, mode=0o755)
        mounted.points.append(os.fsencode(path.lstrip("/")))
    if mounted.points:
        mounted.points = await build.in_thread(partial(_real_points, build, state, mounted.points))
    return mounted


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
    roots = []
    for diff_id in diff_ids:
        layer, directory = build.services.layers.mount_of(diff_id)
        if layer is not None:
            mounted.shared.append(layer)
        roots.append(directory)
    roots.reverse()  # parts count from the top
    sources = [f"{roots[number]}/{os.fsdecode(path)}".rstrip("/") for number, _ in entry.parts]
    if mount.readonly and len(sources) == 1:
        mounted.mounts.append(_entry(target, "bind", sources[0], "bind", "ro", "nosuid", "nodev", "private"))
        return
    if not entry.is_directory:
        raise NotSupported(
            f"a single file cannot be mounted read-write: leave rw out, or mount its directory ({target})"
        )
    options = [f"lowerdir+={source}" for source in sources]
    if not mount.readonly:
        upper = build.workspace.path / secrets.token_hex(8)
        for name in ("upper", "work"):
            (upper / name).mkdir(mode=0o755, parents=True)
        options += [f"upperdir={upper / 'upper'}", f"workdir={upper / 'work'}"]
    mounted.mounts.append(_entry(target, "overlay", "overlay", *(["ro"] if mount.readonly else []), *options))


def _digest(tree: Tree, path: bytes, entry: Entry) -> str:
    """What a step can see of what is bound: names, contents, permissions; no times."""
    with Tree([]) as nothing:
        placement = Placement(base=nothing)
        placement.copy(tree, Selected(path or b"/", entry, path), "/bound", Ignore(()), into=False, keep_owner=True)
        return placement.digest()


async def _cache(build: Build, mounted: Mounted, mount: RunMount, target: str, held: AsyncExitStack) -> None:
    if mount.from_:
        raise NotSupported("a cache mount that begins with the files of another stage (from=) is not supported yet")
    namespace = build.request.arguments.get("BUILDKIT_CACHE_MOUNT_NS") or ""
    cache_id = cache_id_of(namespace, mount.id or target)
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
