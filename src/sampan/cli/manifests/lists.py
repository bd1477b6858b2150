"""Where is a manifest list until it is pushed?

    CONFIG/manifests/LIST/MANIFEST      one JSON document for each image: Ref, Descriptor, Raw, SchemaV2Manifest

Names are references with `/` as `_` and `:` as `-`, as docker's CLI writes them, so that either can go on with the
other's lists.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile

from sampan.cli.command import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def file_name(reference: str) -> str:
    """A reference as the name of a file."""
    return reference.replace("/", "_").replace(":", "-")


class ListStore:
    """The manifest lists of one configuration directory."""

    def __init__(self, config_directory: str) -> None:
        self._root = os.path.join(config_directory, "manifests")

    def members(self, name: str) -> list[dict[str, Any]]:
        """The images of a list, in the order in which they are pushed; empty when there is no such list."""
        directory = os.path.join(self._root, file_name(name))
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            return []
        return [self._read(os.path.join(directory, each)) for each in names if not each.startswith(".")]

    def save(self, name: str, member: dict[str, Any]) -> None:
        """Keep one image of a list. Raises Failure."""
        directory = os.path.join(self._root, file_name(name))
        try:
            os.makedirs(directory, mode=0o755, exist_ok=True)
            file, temporary = tempfile.mkstemp(prefix=".", dir=directory)
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(member, stream, separators=(",", ":"))
            os.rename(temporary, os.path.join(directory, file_name(member["Ref"])))
        except OSError as error:
            raise Failure(f"could not write {directory}: {error.strerror}") from None

    def remove(self, name: str) -> bool:
        """Forget a list; whether there was one."""
        directory = os.path.join(self._root, file_name(name))
        if not os.path.isdir(directory):
            return False
        shutil.rmtree(directory)
        return True

    def _read(self, path: str) -> dict[str, Any]:
        try:
            with open(path, encoding="utf-8") as file:
                member: dict[str, Any] = json.load(file)
            if not member["Ref"] or not member["Descriptor"]["digest"]:
                raise KeyError
            return member
        except (OSError, ValueError, KeyError, TypeError):
            raise Failure(f"{path} is no manifest of a list") from None
