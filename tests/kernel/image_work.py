"""One piece of work on the images below a directory, in a process of its own that may be killed: WORK ROOT ARGUMENT."""

import sys
from pathlib import Path

from sampan.content.store import Blobs
from sampan.db import open_database
from sampan.images import compressed, rows
from sampan.images.commit import Step
from sampan.images.images import Images
from sampan.layers.store import Layers
from sampan.oci.reference import parse_reference
from sampan.wire.filters import Filters


def opened(root: Path) -> Images:
    """The images as a process finds them when it starts."""
    database = open_database(root / "sampan.db", [rows.SCHEMA, compressed.SCHEMA])
    images = Images(database, Blobs(root / "content"), Layers(root / "layers", root / "run", backend="erofs"))
    images.sweep()
    return images


def work(images: Images, kind: str, argument: str) -> None:
    """Do it."""
    if kind == "load":
        with open(argument, "rb") as archive:
            images.load(archive)
    elif kind == "commit":
        step = Step(config={"Cmd": ["sh"]}, created_ns=10**18)
        images.commit(images.get("base").id, Path(argument), step, parse_reference("made"))
    elif kind == "prune":
        images.prune(Filters({"dangling": ("false",)}))


def main() -> None:
    """Open everything, say so, and begin when told: whoever watches sees the work alone."""
    kind, root, argument = sys.argv[1:]
    images = opened(Path(root))
    print("ready", flush=True)
    sys.stdin.readline()
    work(images, kind, argument)
    print("done", flush=True)


if __name__ == "__main__":
    main()
