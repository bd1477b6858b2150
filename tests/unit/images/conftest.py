"""An engine's images, on real stores in a directory of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.content.store import Blobs
from sampan.db import open_database
from sampan.events import Event, Events
from sampan.images import rows
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


@pytest.fixture
def images(tmp_path: Path, events: Recorder) -> Iterator[Images]:
    database = open_database(tmp_path / "sampan.db", [rows.SCHEMA])
    # "erofs" writes tar and index and mounts nothing: it needs no privileges.
    layers = Layers(tmp_path / "layers", tmp_path / "run", backend="erofs")
    yield Images(database, Blobs(tmp_path / "content"), layers, events=events)
    layers.close()
    database.close()


@pytest.fixture
def store(images: Images) -> ImageStore:
    return images.store
