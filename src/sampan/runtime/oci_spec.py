"""What is another OCI runtime told about a container?

The engine's spec without what only our own runtime understands: the annotations become what they stand for. Pure, but
for the look for docker-init, which such a container needs for `--init` (our own init is no program).
"""

import os
import shlex
import shutil
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sampan.runtime.protocol import Message
from sampan.runtime.seccomp import default_profile, resolve
from sampan.runtime.seccomp_choice import machine
from sampan.runtime.status import StartFailed

PROGRAM = "sampan.runtime"  # the annotation that names the program
INIT_PLACE = "/sbin/docker-init"
NOT_FOUND = 127
VERSION = "1.0.2"  # the oldest that has all we say: some programs refuse a spec that is newer than they are


def order(spec: Mapping[str, Any]) -> Message | None:
    """What the shim needs to drive the program that the spec's annotation names; None for our own runtime.

    Raises StartFailed when the program is not there.
    """
    annotations = dict(spec.get("annotations") or {})
    command = annotations.get(PROGRAM)
    if not command:
        return None
    name, *arguments = shlex.split(command)
    program = shutil.which(name)
    if program is None:
        raise StartFailed(
            f'failed to create shim task: OCI runtime create failed: exec: "{name}": '
            "executable file not found in $PATH: unknown",
            NOT_FOUND,
            plain=True,
        )
    return {
        "words": [program, *arguments],
        "environment": {"PATH": os.environ.get("PATH", os.defpath)},
        "spec": foreign(spec),
    }


def foreign(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec as any OCI runtime understands it."""
    annotations = {k: v for k, v in (spec.get("annotations") or {}).items() if not k.startswith("sampan.")}
    told = {**spec, "ociVersion": VERSION, "annotations": annotations, "linux": dict(spec.get("linux") or {})}
    ours = spec.get("annotations") or {}
    process = dict(spec["process"])
    if ours.get("sampan.seccomp") == "default":
        bounding = frozenset((process.get("capabilities") or {}).get("bounding") or ())
        told["linux"]["seccomp"] = _default_seccomp(bounding)
    if ours.get("sampan.init") == "true":
        process["args"] = [INIT_PLACE, "--", *process["args"]]
        told["mounts"] = [*spec["mounts"], _init_mount()]
    told["process"] = process
    return told


def _init_mount() -> dict[str, Any]:
    program = shutil.which("docker-init")
    if program is None:
        raise StartFailed(
            "failed to create shim task: --init with another runtime needs the program docker-init, "
            'which is not there: exec: "docker-init": executable file not found in $PATH',
            NOT_FOUND,
            plain=True,
        )
    return {"destination": INIT_PLACE, "type": "bind", "source": program, "options": ["bind", "ro"]}


@lru_cache(maxsize=32)
def _default_seccomp(capabilities: frozenset[str]) -> dict[str, Any]:
    architecture, kernel = machine()
    return resolve(default_profile(), capabilities, architecture, kernel)
