"""Which host paths, volumes, images and memory filesystems does a container see, and where?

Four ways to ask: `Binds` ("/host:/in:ro", from -v), `Mounts` (objects, from --mount), `Tmpfs` (path → options) and
`Volumes` (paths, from -v /in and the image). Each becomes a `MountPoint`, so that the spec and inspect need not care
which it was. Pure; sentences are dockerd's. What volumes and images are behind the names, `volumes.py` finds out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import isabs, normpath

from sampan.errors import InvalidRequest
from sampan.wire.containers import HostConfig
from sampan.wire.mounts import Mount, TmpfsOptions

PROPAGATIONS = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
DEFAULT_PROPAGATION = "rprivate"
# The words of the third part of a bind, by what they speak of: at most one of each kind.
MODE_WORDS = (("ro", "rw"), ("z", "Z"), PROPAGATIONS, ("nocopy",), ("consistent", "cached", "delegated"))
TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
# mount(8) words in pairs that undo each other, and the parameters of tmpfs(5).
TMPFS_PAIRS = {
    "ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec", "sync": "async", "dirsync": "dirsync",
    "remount": "remount", "mand": "nomand", "atime": "noatime", "diratime": "nodiratime", "relatime": "norelatime",
    "strictatime": "nostrictatime",
}  # fmt: skip
TMPFS_PARAMETERS = ("mode", "uid", "gid", "size", "nr_blocks", "nr_inodes", "mpol")
# SELinux' word for "shared", which dockerd shows as the mode of a volume when nobody gave one.
VOLUME_MODE = "z"
MAPPED_OWNERS = "idmap"


@dataclass(frozen=True, slots=True, kw_only=True)
class MountPoint:
    """One thing mounted into a container; `type` is "bind", "tmpfs", "volume" or "image", `options` are a tmpfs' own.

    `source`: a host path, or the name of an image. `must_exist`: the source of --mount is not made when it is missing,
    that of -v is. Of a volume: `name`, "" until it has one; `is_named`, whether the user named it; `copies`, whether it
    is filled from the image while it is empty; `labels` and `driver_options` for when it does not exist yet.
    `diff_ids`: the layers of an image. `subpath`: the part of a volume or image that is mounted.
    `maps`: (uid or gid maps) of an id-mapped bind, as (inside, outside, count).
    """

    type: str
    target: str
    source: str = ""
    name: str = ""
    driver: str = ""
    is_named: bool = False
    copies: bool = False
    subpath: str = ""
    labels: dict[str, str] | None = None
    driver_options: dict[str, str] | None = None
    diff_ids: tuple[str, ...] = ()
    maps: tuple[tuple[int, int, int], ...] = ()
    mode: str = ""
    writable: bool = True
    propagation: str = ""
    recursive: bool = True
    recursive_readonly: bool = False
    must_exist: bool = False
    options: tuple[str, ...] = ()
    is_shown: bool = True


def parse(host: HostConfig) -> tuple[MountPoint, ...]:
    """All that the host config asks for, volumes still without what is behind their names. Raises InvalidRequest."""
    points = [parse_bind(raw, host.volume_driver) for raw in host.binds or ()]
    points += [parse_mount(mount) for mount in host.mounts or ()]
    for target, options in (host.tmpfs or {}).items():
        _check_target(target)
        words = tuple(word for word in options.split(",") if word)
        merged = merge_tmpfs_options(words)
        points.append(MountPoint(type="tmpfs", target=normpath(target), options=merged, is_shown=False))
    seen: set[str] = set()
    for point in points:
        if point.target in seen:
            raise InvalidRequest(f"Duplicate mount point: {point.target}")
        seen.add(point.target)
    return tuple(points)


def parse_anonymous(volumes: Iterable[str], driver: str = "") -> list[MountPoint]:
    """What `Config.Volumes` asks for: paths, or `name:/path` where a client took a name for a drive of Windows."""
    found = []
    for raw in volumes:
        if ":" in raw:
            found.append(parse_bind(raw, driver))
            continue
        try:
            _check_target(raw)
        except InvalidRequest as error:
            raise InvalidRequest(f"invalid volume specification: '{raw}': {error}") from None
        found.append(MountPoint(type="volume", target=normpath(raw), driver=driver, copies=True))
    return found


def parse_bind(raw: str, volume_driver: str = "") -> MountPoint:
    """One entry of HostConfig.Binds."""
    parts = raw.split(":")
    if not parts[0] or len(parts) > 3 or (len(parts) == 2 and is_mode(parts[1])):
        raise InvalidRequest(f"invalid volume specification: '{raw}'")
    if len(parts) == 1:
        parts = ["", raw]
    source, target, mode = parts[0], parts[1], parts[2] if len(parts) == 3 else ""
    if not is_mode(mode):
        raise InvalidRequest(f"invalid mode: {mode}")
    words = mode.split(",")
    propagation = next((word for word in words if word in PROPAGATIONS), "")
    kind = "bind" if isabs(source) else "volume"
    try:
        _check_target(target)
        if kind == "bind" and "nocopy" in words:
            raise InvalidRequest("field VolumeOptions must not be specified")
        if kind == "volume" and propagation:
            raise InvalidRequest("field BindOptions must not be specified")
        if kind == "volume" and not source and "ro" in words:
            raise InvalidRequest("must not set ReadOnly mode when using anonymous volumes")
        maps = _idmap(words)
        if maps and kind == "volume":
            raise InvalidRequest("idmap is for binds: a volume belongs to whom its files say")
    except InvalidRequest as error:
        where = f'invalid mount config for type "{kind}"'
        raise InvalidRequest(f"invalid volume specification: '{raw}': {where}: {error}") from None
    if kind == "volume":
        return MountPoint(
            type="volume",
            target=normpath(target),
            name=source,
            is_named=bool(source),
            driver=volume_driver,
            mode=mode or VOLUME_MODE,
            writable="ro" not in words,
            copies="nocopy" not in words,
        )
    return MountPoint(
        type="bind",
        target=normpath(target),
        source=normpath(source),
        mode=mode,
        writable="ro" not in words,
        propagation=propagation or DEFAULT_PROPAGATION,
        recursive_readonly="ro" in words,
        maps=maps,
    )


def is_mode(mode: str) -> bool:
    """Is this a list of mode words, at most one of each kind? The empty one is."""
    if not mode:
        return True
    kinds = [next((kind for kind in MODE_WORDS if word in kind), None) for word in _words(mode)]
    return None not in kinds and len(set(kinds)) == len(kinds)


def _words(mode: str) -> list[str]:
    """The words of a mode that are Docker's; `idmap=…` is ours."""
    return [word for word in mode.split(",") if not word.startswith(f"{MAPPED_OWNERS}=")]


def _idmap(words: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """`idmap=INSIDE-OUTSIDE-COUNT` in a mode: whose files the directory's are taken for. Raises InvalidRequest."""
    maps = []
    for word in words:
        if not word.startswith(f"{MAPPED_OWNERS}="):
            continue
        numbers = word.partition("=")[2].split("-")
        if len(numbers) != 3 or not all(number.isascii() and number.isdigit() for number in numbers):
            raise InvalidRequest(f'invalid {word}: write idmap=INSIDE-OUTSIDE-COUNT, as in "idmap=0-1000-1"')
        inside, outside, count = (int(number) for number in numbers)
        if not count or max(inside, outside) + count > 1 << 32:
            raise InvalidRequest(f"invalid {word}: out of range")
        maps.append((inside, outside, count))
    return tuple(maps)


def parse_volumes_from(raw: str) -> tuple[str, str]:
    """One entry of HostConfig.VolumesFrom as (container, mode). Raises InvalidRequest."""
    if not raw:
        raise InvalidRequest("volumes-from specification cannot be an empty string")
    reference, _, mode = raw.partition(":")
    words = mode.split(",") if mode else []
    if not is_mode(mode) or any(word in (*PROPAGATIONS, "nocopy") or "=" in word for word in words):
        raise InvalidRequest(f"invalid mode: {mode}")
    return reference, mode


def parse_mount(mount: Mount) -> MountPoint:
    """One entry of HostConfig.Mounts."""
    try:
        if not mount.target:
            raise InvalidRequest("field Target must not be empty")
        _check_target(mount.target)
        return _MOUNTS.get(mount.type, _unknown)(mount)
    except InvalidRequest as error:
        raise InvalidRequest(f'invalid mount config for type "{mount.type}": {error}') from None


def _bind(mount: Mount) -> MountPoint:
    if not mount.source:
        raise InvalidRequest("field Source must not be empty")
    if mount.volume_options is not None:
        raise InvalidRequest("field VolumeOptions must not be specified")
    options = mount.bind_options
    propagation = (options and options.propagation) or DEFAULT_PROPAGATION
    if propagation not in PROPAGATIONS:
        raise InvalidRequest(f"invalid propagation mode: {propagation}")
    _check_absolute(mount.source)
    return MountPoint(
        type="bind",
        target=normpath(mount.target),
        source=normpath(mount.source),
        writable=not mount.read_only,
        propagation=propagation,
        recursive=not (options and options.non_recursive),
        recursive_readonly=mount.read_only and not (options and options.read_only_non_recursive),
        must_exist=not (options and options.create_mountpoint),
    )


def _tmpfs(mount: Mount) -> MountPoint:
    if mount.bind_options is not None:
        raise InvalidRequest("field BindOptions must not be specified")
    if mount.source:
        raise InvalidRequest("field Source must not be specified")
    words = _tmpfs_words(mount.tmpfs_options, mount.read_only)
    return MountPoint(
        type="tmpfs",
        target=normpath(mount.target),
        writable=not mount.read_only,
        options=merge_tmpfs_options(words),
    )


def _volume(mount: Mount) -> MountPoint:
    if mount.bind_options is not None:
        raise InvalidRequest("field BindOptions must not be specified")
    if mount.read_only and not mount.source:
        raise InvalidRequest("must not set ReadOnly mode when using anonymous volumes")
    options = mount.volume_options
    driver = options.driver_config if options else None
    subpath = options.subpath if options else ""
    _check_subpath(subpath)
    return MountPoint(
        type="volume",
        target=normpath(mount.target),
        name=mount.source,
        is_named=bool(mount.source),
        driver=driver.name if driver else "",
        mode=VOLUME_MODE,
        writable=not mount.read_only,
        copies=not (options and options.no_copy),
        subpath=subpath,
        labels=options.labels if options else None,
        driver_options=(driver.options if driver else None) or None,
    )


def _image(mount: Mount) -> MountPoint:
    for name, options in (("BindOptions", mount.bind_options), ("VolumeOptions", mount.volume_options)):
        if options is not None:
            raise InvalidRequest(f"field {name} must not be specified")
    if not mount.source:
        raise InvalidRequest("field Source must not be empty")
    subpath = mount.image_options.subpath if mount.image_options else ""
    _check_subpath(subpath)
    # Nobody could keep what would be written there.
    return MountPoint(type="image", target=normpath(mount.target), source=mount.source, subpath=subpath, writable=False)


def _unknown(mount: Mount) -> MountPoint:
    raise InvalidRequest("mount type unknown")


_MOUNTS = {"bind": _bind, "tmpfs": _tmpfs, "volume": _volume, "image": _image}


def _tmpfs_words(options: TmpfsOptions | None, read_only: bool) -> Sequence[str]:
    words = ["ro"] if read_only else []
    if options and options.mode:
        words.append(f"mode={options.mode:o}")
    if options and options.size_bytes:
        words.append(f"size={options.size_bytes}")
    for option in (options and options.options) or ():
        if not 1 <= len(option) <= 2:
            raise InvalidRequest("invalid option array length")
        if option[0] not in ("exec", "noexec"):
            raise InvalidRequest(f"invalid option: {option[0]}")
        words.append("=".join(option))
    return words


def merge_tmpfs_options(words: Iterable[str]) -> tuple[str, ...]:
    """Docker's defaults with these laid over them: of two that contradict each other the later counts."""
    undone = {**TMPFS_PAIRS, **{off: on for on, off in TMPFS_PAIRS.items()}}
    kept: dict[str, str] = {}
    for word in (*TMPFS_DEFAULTS, DEFAULT_PROPAGATION, *words):
        key, equals, _ = word.partition("=")
        if equals and key in TMPFS_PARAMETERS:
            kept.pop(key, None)
        elif word in undone:
            kept.pop(undone[word], None)
            key = word
        elif word in PROPAGATIONS:
            key = "propagation"
            kept.pop(key, None)
        elif word != "defaults":
            raise InvalidRequest(f'Invalid tmpfs option "{word}"')
        kept[key] = word
    return tuple(kept.values())


def _check_target(target: str) -> None:
    if normpath(target.replace("\\", "/")).strip("/") == "" and isabs(target):
        raise InvalidRequest("invalid specification: destination can't be '/'")
    _check_absolute(target)


def _check_absolute(path: str) -> None:
    if not isabs(path):
        raise InvalidRequest(f"invalid mount path: '{path}' mount path must be absolute")


def _check_subpath(subpath: str) -> None:
    if isabs(subpath) or ".." in subpath.split("/"):
        raise InvalidRequest("subpath must be a relative path within the volume")


def shown(points: Iterable[MountPoint]) -> list[MountPoint]:
    """Those that inspect lists."""
    return [point for point in points if point.is_shown]


def by_target(points: Iterable[MountPoint]) -> Mapping[str, MountPoint]:
    """The last of each target."""
    return {point.target: point for point in points}
