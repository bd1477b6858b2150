"""What can be done with volumes, and who holds one?

    volumes/NAME/_data          a volume's files
    volumes/.doomed-NAME-…      on its way out

A container holds a volume from before it is created until after it is removed, and nothing that is held goes away. A
row is written before its directory is made, and the directory is renamed away before the row goes; a start finishes
what was cut in between. A directory that no row knows is taken up as a volume, never removed: it may hold somebody's
data. Everything here may be called from any thread.
"""

import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sampan.db import Database
from sampan.errors import Conflict, InvalidRequest, NotFound
from sampan.events import Events
from sampan.linux.copy_tree import copy_tree
from sampan.linux.remove_tree import remove_tree
from sampan.linux.syncfs import syncfs
from sampan.linux.tree_size import tree_size
from sampan.oci.mount import Mount
from sampan.volumes import options, rows
from sampan.volumes.rows import SCHEMA
from sampan.volumes.volume import ANONYMOUS_LABEL, LOCAL, NAME, Volume, check_name, invent_name

__all__ = ["SCHEMA", "Volumes"]

PRIVATE = 0o700
DATA = "_data"
DOOMED = ".doomed-"
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Volumes:
    """The volumes below one data root."""

    def __init__(self, database: Database, root: Path, run_root: Path, *, events: Events) -> None:
        root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self._database = database
        self._root = root
        self._run_root = run_root
        self._events = events
        self._root_fd = os.open(root, OPEN_DIRECTORY)
        self._changing = threading.RLock()
        self._volumes = {volume.name: volume for volume in rows.read_all(database)}
        self._holders: dict[str, set[str]] = {}
        self._settle()

    def close(self) -> None:
        """Let go of the volumes' directory."""
        os.close(self._root_fd)

    # -- looking

    def get(self, name: str) -> Volume:
        """The volume of that name. Raises NotFound."""
        found = self._volumes.get(name)
        if found is None:
            raise NotFound(f"get {name}: no such volume")
        return found

    def find(self, name: str) -> Volume | None:
        """The volume of that name, if there is one."""
        return self._volumes.get(name)

    def all(self) -> list[Volume]:
        """Every volume, by name."""
        return [self._volumes[name] for name in sorted(self._volumes)]

    def holders(self, name: str) -> Sequence[str]:
        """The ids of the containers that hold the volume."""
        return sorted(self._holders.get(name, ()))

    def mountpoint(self, name: str) -> Path:
        """Where on the host the volume's files are."""
        return self._root / name / DATA

    def place(self, name: str) -> Path:
        """Where, in the runtime's mount namespace, a volume that is a filesystem of its own is mounted."""
        # Its age is part of the place: a volume that takes over a name must not take over what is mounted there.
        return self._run_root / "volumes" / f"{name[:200]}-{self.get(name).created_ns}"

    def mount_of(self, name: str) -> Mount | None:
        """What must be mounted for the volume to be seen, at a place of its own; None for a plain directory.

        Raises NotFound, and Unavailable when a server's name is not known.
        """
        return options.mount_of(self.get(name).options or {}, str(self.place(name)))

    def usage(self, name: str) -> int:
        """Bytes in the volume's files; those of a filesystem of its own are not seen from here."""
        try:
            return tree_size(self.mountpoint(name))
        except FileNotFoundError:
            return 0

    # -- changing

    def create(
        self,
        name: str = "",
        *,
        driver: str = "",
        labels: Mapping[str, str] | None = None,
        opts: Mapping[str, str] | None = None,
        holder: str = "",
    ) -> Volume:
        """The volume of that name, made if it is missing; an anonymous one without a name. Safe when it returns.

        `holder` is the container that will hold it. A volume that exists is taken as it is, whatever is asked for.
        Raises InvalidRequest, and NotFound for a driver that there is none of.
        """
        if driver not in ("", LOCAL):
            raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
        if not name:
            name, labels = invent_name(), {**(labels or {}), ANONYMOUS_LABEL: ""}
        with self._changing:
            volume = self._volumes.get(check_name(name))
            if volume is None:
                options.check(name, opts or {})
                volume = Volume(name=name, created_ns=time.time_ns(), labels=labels, options=opts or None)
                rows.insert(self._database, volume)
                self._make_directory(name)
                self._volumes[name] = volume
            if holder:
                self._holders.setdefault(name, set()).add(holder)
        self._publish(name, "create")
        return volume

    def hold(self, name: str, holder: str) -> Volume:
        """Have a container hold a volume that exists. Raises NotFound."""
        with self._changing:
            volume = self.get(name)
            self._holders.setdefault(name, set()).add(holder)
            return volume

    def release(self, names: Iterable[str], holder: str) -> None:
        """The container holds these no more."""
        with self._changing:
            for name in names:
                holders = self._holders.get(name, set())
                holders.discard(holder)
                if not holders:
                    self._holders.pop(name, None)

    def remove(self, name: str, *, force: bool = False) -> int:
        """Remove a volume and its data; how many bytes that was. Raises Conflict while a container holds it.

        With `force` one that does not exist is no failure.
        """
        with self._changing:
            if force and name not in self._volumes:
                return 0
            self.get(name)
            if holders := self.holders(name):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(holders)}]")
            doomed = self._doom(name)
            try:
                rows.delete(self._database, name)
            except BaseException:
                self._rename(doomed, name)
                raise
            del self._volumes[name]
        size = self._bury(doomed)
        self._publish(name, "destroy")
        return size

    def rename(self, old: str, new: str) -> None:
        """Give a volume another name. Raises Conflict while a container holds it: it knows it by its name."""
        with self._changing:
            volume = self.get(old)
            if holders := self.holders(old):
                raise Conflict(f"rename {old}: volume is in use - [{', '.join(holders)}]")
            if check_name(new) in self._volumes:
                raise Conflict(f"rename {old}: a volume called {new} exists")
            rows.rename(self._database, old, new)
            self._rename(old, new)
            rows.settle(self._database, new)
            del self._volumes[old]
            self._volumes[new] = Volume(
                name=new, created_ns=volume.created_ns, labels=volume.labels, options=volume.options
            )
        self._publish(new, "rename", {"oldName": old})

    @contextmanager
    def staged(self, name: str, labels: Mapping[str, str] | None = None) -> Iterator[int]:
        """A directory to fill, whose content is the volume's, whole, once the block has ended; a descriptor.

        The volume is new, or empty and held by nobody; else Conflict. When the block raises nothing has changed.
        """
        with self._changing:
            self._check_unfilled(check_name(name))
        stage = f"{DOOMED}{name[:200]}-{secrets.token_hex(8)}"
        os.mkdir(stage, PRIVATE, dir_fd=self._root_fd)
        try:
            os.mkdir(f"{stage}/{DATA}", 0o755, dir_fd=self._root_fd)
            os.chmod(f"{stage}/{DATA}", 0o755, dir_fd=self._root_fd)
            data = os.open(f"{stage}/{DATA}", OPEN_DIRECTORY, dir_fd=self._root_fd)
            try:
                yield data
                syncfs(data)
            finally:
                os.close(data)
            with self._changing:
                self._adopt(stage, name, labels)
        finally:
            remove_tree(stage, dir_fd=self._root_fd)

    def clone(self, source: str, name: str) -> Volume:
        """A new volume with a copy of another's files and labels. Raises Conflict when the name is in use."""
        volume = self.get(source)
        if volume.options:
            raise InvalidRequest(f"clone {source}: the files of a volume with driver options are not the engine's")
        labels = {key: value for key, value in (volume.labels or {}).items() if key != ANONYMOUS_LABEL}
        if check_name(name) in self._volumes:
            raise Conflict(f"clone {source}: a volume called {name} exists")
        with self.staged(name, labels or None) as data:
            original = os.open(self.mountpoint(source), OPEN_DIRECTORY)
            try:
                copy_tree(original, data)
            finally:
                os.close(original)
        self._publish(name, "create")
        return self.get(name)

    def tell(self, name: str, action: str, attributes: Mapping[str, str]) -> None:
        """Publish that a container began or ceased to use the volume."""
        self._publish(name, action, attributes)

    # -- directories

    def _check_unfilled(self, name: str) -> None:
        volume = self._volumes.get(name)
        if volume is None:
            return
        if volume.options:
            raise InvalidRequest(f"fill {name}: the files of a volume with driver options are not the engine's")
        if holders := self.holders(name):
            raise Conflict(f"fill {name}: volume is in use - [{', '.join(holders)}]")
        if os.listdir(self.mountpoint(name)):
            raise Conflict(f"fill {name}: the volume is not empty: give the name of a new one")

    def _adopt(self, stage: str, name: str, labels: Mapping[str, str] | None) -> None:
        """Put staged data into place in one step. A new volume's row comes after: without it the data is adopted."""
        self._check_unfilled(name)
        if name in self._volumes:
            # rename(2) replaces a directory that is empty.
            os.rename(f"{stage}/{DATA}", f"{name}/{DATA}", src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
            return
        self._rename(stage, name)
        volume = Volume(name=name, created_ns=time.time_ns(), labels=labels)
        try:
            rows.insert(self._database, volume)
        except BaseException:
            self._rename(name, stage)
            raise
        self._volumes[name] = volume

    def _make_directory(self, name: str) -> None:
        for path, mode in ((name, PRIVATE), (f"{name}/{DATA}", 0o755)):
            try:
                os.mkdir(path, mode, dir_fd=self._root_fd)
            except FileExistsError:
                continue
            os.chmod(path, mode, dir_fd=self._root_fd)  # mkdir(2) would have asked the umask
        os.fsync(self._root_fd)

    def _doom(self, name: str) -> str:
        doomed = f"{DOOMED}{name[:200]}-{secrets.token_hex(8)}"
        self._rename(name, doomed)
        return doomed

    def _rename(self, old: str, new: str) -> None:
        try:
            os.rename(old, new, src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
        except FileNotFoundError:
            return  # whose directory somebody has removed
        os.fsync(self._root_fd)

    def _bury(self, doomed: str) -> int:
        try:
            size = tree_size(self._root / doomed)
        except FileNotFoundError:
            return 0
        remove_tree(doomed, dir_fd=self._root_fd)
        return size

    def _settle(self) -> None:
        """Finish what was cut short: removals, renames, and volumes without directory or row."""
        for volume in list(self._volumes.values()):
            if volume.moved_from:
                if not (self._root / volume.name).exists():
                    self._rename(volume.moved_from, volume.name)
                rows.settle(self._database, volume.name)
        for entry in sorted(os.listdir(self._root_fd)):
            if entry.startswith(DOOMED):
                self._finish_removal(entry)
            elif NAME.fullmatch(entry) and entry not in self._volumes and (self._root / entry / DATA).is_dir():
                found = Volume(name=entry, created_ns=(self._root / entry).stat().st_mtime_ns)
                rows.insert(self._database, found)
                self._volumes[entry] = found
        for name in self._volumes:
            self._make_directory(name)

    def _finish_removal(self, doomed: str) -> None:
        """Only a removal renames so; whoever asked for it was not told that it failed."""
        name = doomed[len(DOOMED) :].rpartition("-")[0]
        if name in self._volumes and not (self._root / name).exists():
            rows.delete(self._database, name)
            del self._volumes[name]
        remove_tree(doomed, dir_fd=self._root_fd)

    def _publish(self, name: str, action: str, attributes: Mapping[str, str] | None = None) -> None:
        self._events.publish("volume", action, name, {"driver": LOCAL, **(attributes or {})})
