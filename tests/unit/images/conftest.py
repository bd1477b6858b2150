"""An engine's images, on real stores in a directory of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sampan.content.store import Blobs
from sampan.db import open_database
from sampan.events import Event, Events
from sampan.images import compressed, rows
from sampan.images.images import Images
from sampan.images.store import ImageStore
from sampan.layers.store import Layers


class Recorder(Events):
    """Events that can be looked at afterwards."""

    @property
    def seen(self) -> list[tuple[str, str]]:
        """(action, name) of all image events so far."""
        return [(event.action, event.attributes.get("name", "")) for event in self.all]

    @property
    def all(self) -> list[Event]:
        """All that was published."""
        return list(self._ring)


@pytest.fixture
def events() -> Recorder:
    return Recorder()


@contextmanager
def opened(root: Path, events: Events | None = None) -> Iterator[Images]:
    """The images below a directory, as a process finds them when it starts."""
    database = open_database(root / "sampan.db", [rows.SCHEMA, compressed.SCHEMA])
    # "erofs" writes tar and index and mounts nothing: it needs no privileges.
    layers = Layers(root / "layers", root / "run", backend="erofs")
    try:
        yield Images(database, Blobs(root / "content"), layers, events=events)
    finally:
        layers.close()
        database.close()


@pytest.fixture
def images(tmp_path: Path, events: Recorder) -> Iterator[Images]:
    with opened(tmp_path, events) as images:
        yield images


@pytest.fixture
def store(images: Images) -> ImageStore:
    return images.store
