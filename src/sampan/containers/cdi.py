"""Which devices do vendors offer here, and how does a container get them?

By the files of the Container Device Interface: `--device vendor.com/class=name` names one, `--gpus` stands for those of
a GPU vendor. They are read at each start, as a driver may have been updated since the last one.
"""

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sampan.errors import InvalidRequest, SampanError
from sampan.oci import cdi, strict
from sampan.oci.cdi import Edits, Node, Specification
from sampan.wire.containers import DeviceRequest

log = logging.getLogger(__name__)

MOST_BYTES = 4 << 20
GPU_KINDS = ("nvidia.com/gpu", "amd.com/gpu", "intel.com/gpu")
ALL = "all"


def check(requests: Sequence[DeviceRequest]) -> None:
    """Can these ever be met? Raises InvalidRequest."""
    for request in requests:
        if request.count and request.device_ids:
            raise InvalidRequest("cannot set both Count and DeviceIDs on device request")
        if request.driver == "cdi":
            for name in request.device_ids or ():
                cdi.split(name)


def inject(spec: dict[str, Any], requests: Sequence[DeviceRequest], directories: Sequence[str]) -> dict[str, Any]:
    """The runtime spec with the requested devices in it. Raises InvalidRequest for those that are not there."""
    if not requests:
        return spec
    known = specifications(directories)
    edits: list[Edits] = []
    for request in requests:
        for kind, name in _chosen(request, known):
            specification = known[kind]
            if specification.shared not in edits:
                edits.append(specification.shared)
            edits.append(specification.devices[name])
    return cdi.apply(spec, edits, _with_numbers)


def names(directories: Sequence[str]) -> list[str]:
    """All devices that could be asked for, in full."""
    return [f"{kind}={name}" for kind, found in sorted(specifications(directories).items()) for name in found.devices]


def _chosen(request: DeviceRequest, known: dict[str, Specification]) -> Iterator[tuple[str, str]]:
    if request.driver == "cdi":
        wanted = [cdi.split(name) for name in request.device_ids or ()]
        missing = [f"{kind}={name}" for kind, name in wanted if kind not in known or name not in known[kind].devices]
        if missing:
            raise InvalidRequest(f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}")
        yield from wanted
        return
    kind = next((kind for kind in GPU_KINDS if kind in known), "")
    asks_for_gpus = any("gpu" in options for options in request.capabilities or ())
    if not asks_for_gpus or not kind or request.driver not in ("", kind.partition(".")[0]):
        capabilities = " ".join(f"[{' '.join(options)}]" for options in request.capabilities or ())
        raise InvalidRequest(f'could not select device driver "{request.driver}" with capabilities: [{capabilities}]')
    yield from ((kind, name) for name in _gpus(request, known[kind]))


def _gpus(request: DeviceRequest, gpus: Specification) -> list[str]:
    if request.device_ids:
        missing = [name for name in request.device_ids if name not in gpus.devices]
        if missing:
            raise InvalidRequest(f"CDI device injection failed: unresolvable CDI devices {gpus.kind}={missing[0]}")
        return list(request.device_ids)
    if request.count == -1 and ALL in gpus.devices:
        return [ALL]
    # A vendor lists a GPU by number and by UUID: the numbers are each of them once.
    single = [name for name in gpus.devices if name.isdecimal()] or [name for name in gpus.devices if name != ALL]
    if request.count > len(single):
        raise InvalidRequest(f"{request.count} GPUs were asked for, and there are {len(single)}")
    return single if request.count == -1 else single[: request.count]


def specifications(directories: Sequence[str]) -> dict[str, Specification]:
    """What the files say, by kind. Later directories override earlier ones; a broken file is passed over."""
    found: dict[str, Specification] = {}
    for directory in directories:
        here: dict[str, Specification] = {}
        for path in sorted((*Path(directory).glob("*.json"), *Path(directory).glob("*.yaml"))):
            try:
                specification = cdi.parse(_read(path), str(path))
            except (SampanError, OSError) as error:
                log.warning("CDI file passed over: %s", error)
                continue
            other = here.get(specification.kind)
            here[specification.kind] = _merged(other, specification) if other else specification
        for kind, specification in here.items():
            found[kind] = _merged(found[kind], specification) if kind in found else specification
    return found


def _merged(first: Specification, second: Specification) -> Specification:
    """Both files' devices, the second's where they have the same name. Each device keeps what its own file shares."""

    def whole(each: Specification) -> dict[str, Edits]:
        return {name: _joined(each.shared, edits) for name, edits in each.devices.items()}

    return Specification(kind=first.kind, devices=whole(first) | whole(second), shared=Edits())


def _joined(first: Edits, second: Edits) -> Edits:
    return Edits(
        env=first.env + second.env,
        nodes=first.nodes + second.nodes,
        mounts=first.mounts + second.mounts,
        hooks=first.hooks + second.hooks,
    )


def _read(path: Path) -> object:
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InvalidRequest(f"{path} is larger than {MOST_BYTES} bytes")
    if path.suffix == ".json":
        return strict.decode(data, what=str(path))
    import yaml  # only machines with such files need it

    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise InvalidRequest(f"{path} is not valid YAML: {error}") from None


def _with_numbers(node: Node) -> Node:
    """The node with kind and numbers of the host's, where the file does not give them. Raises InvalidRequest."""
    if node.kind and (node.kind == "p" or (node.major is not None and node.minor is not None)):
        return node
    try:
        status = os.stat(node.host_path)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InvalidRequest(f"CDI device injection failed: stat {node.host_path}: {reason}") from None
    kind = "b" if stat.S_ISBLK(status.st_mode) else "c" if stat.S_ISCHR(status.st_mode) else ""
    if not kind:
        raise InvalidRequest(f"CDI device injection failed: {node.host_path} is not a device node")
    return replace(
        node,
        kind=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode) if node.mode is None else node.mode,
    )
