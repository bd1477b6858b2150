"""What does a bundle say? Its config.json, read strictly, and the plan that follows from it.

OCI runtime spec, bundle.md. What runc refuses is refused in its words where it has any.
"""

import os
from dataclasses import replace
from typing import Any

from sampan.cli.runtime import shape
from sampan.errors import InvalidRequest, NotFound, NotSupported
from sampan.linux.capability import CAPABILITIES
from sampan.linux.cgroupfs import hierarchies
from sampan.oci.strict import decode
from sampan.runtime.plan import ContainerPlan, ProcessPlan
from sampan.runtime.plan_process import plan_process
from sampan.runtime.planner import Machine, plan_container
from sampan.runtime.seccomp_choice import filter_for

LIMIT = 16 << 20


def read_object(path: str, what: str) -> dict[str, Any]:
    """A JSON object in a file. Raises InvalidRequest, OSError."""
    with open(path, "rb") as file:
        content = file.read(LIMIT + 1)
    value = decode(content, what=what, max_bytes=LIMIT)
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what} must be a JSON object")
    return value


def read_bundle(path: str) -> tuple[str, dict[str, Any]]:
    """(absolute path, spec) of a bundle. Raises InvalidRequest, NotFound, NotSupported."""
    bundle = os.path.abspath(path or ".")
    if not os.path.isdir(bundle):
        raise NotFound(f"chdir {path}: no such file or directory")
    try:
        spec = read_object(f"{bundle}/config.json", "config.json")
    except FileNotFoundError:
        raise NotFound("JSON specification file config.json not found") from None
    except OSError as error:
        raise InvalidRequest(f"{bundle}/config.json: {(error.strerror or '').lower()}") from None
    shape.check(spec, shape.SPEC)
    _check(spec)
    return bundle, spec


def _check(spec: dict[str, Any]) -> None:
    version = spec.get("ociVersion") or ""
    if version.partition(".")[0] != "1":
        raise NotSupported(f'ociVersion "{version}" is not one that this runtime knows: 1.0 to 1.2')
    if not spec.get("process"):
        raise InvalidRequest("process property must not be empty")
    if not spec.get("root"):
        raise InvalidRequest("root must be specified")


def root_of(bundle: str, spec: dict[str, Any]) -> str:
    """The root filesystem's absolute path. Raises InvalidRequest."""
    path = os.path.normpath(os.path.join(bundle, spec["root"].get("path") or ""))
    if not spec["root"].get("path"):
        raise InvalidRequest("invalid rootfs: root.path is empty")
    try:
        # A link could be pointed elsewhere between looking and mounting.
        if os.path.realpath(path, strict=True) != path:
            raise InvalidRequest("invalid rootfs: not an absolute path, or a symlink")
    except OSError as error:
        raise InvalidRequest(f"invalid rootfs: stat {path}: {(error.strerror or '').lower()}") from None
    if not os.path.isdir(path):
        raise InvalidRequest(f"invalid rootfs: {path} is not a directory")
    return path


def plan_bundle(container_id: str, bundle: str, spec: dict[str, Any], *, no_pivot: bool = False) -> ContainerPlan:
    """The plan of the container. Raises InvalidRequest, NotSupported; nothing has been touched then."""
    machine = Machine(hierarchies=hierarchies(), has_time_namespaces=os.path.exists("/proc/self/ns/time_for_children"))
    plan = plan_container(container_id, spec, machine=machine, bundle=bundle, seccomp=filter_for(spec))
    # runc makes a working directory that is missing, and so must whoever takes its place.
    process = replace(plan.process, workdir_create=True)
    return replace(plan, process=process, rootfs_path=root_of(bundle, spec), no_pivot=no_pivot)


def unknown_capabilities(process: dict[str, Any]) -> list[str]:
    """The capabilities of a spec's process that no kernel of ours has, and that it does without."""
    sets: dict[str, list[str]] = process.get("capabilities") or {}
    return sorted({name for names in sets.values() for name in names or ()} - set(CAPABILITIES))


def plan_joining(process: dict[str, Any], plan: ContainerPlan) -> ProcessPlan:
    """The plan of a process that joins the container of `plan`; what confines the container confines it as well."""
    shape.check(process, shape.PROCESS, "process")
    first = plan.process
    joining = plan_process(process, annotations={})
    return replace(
        joining,
        seccomp=first.seccomp,
        seccomp_flags=first.seccomp_flags,
        no_new_privileges=joining.no_new_privileges or first.no_new_privileges,
    )
