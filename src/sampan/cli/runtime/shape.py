"""Does a config.json have the types that the OCI runtime spec gives to its fields?

Checked before anything is planned, so that the planner may trust what it reads. Fields that are not named here are
ignored, as the spec demands ("Extensibility"); those that would confine the container and cannot be made effective are
refused. OCI runtime spec 1.2, config.md and config-linux.md.
"""

from typing import Any

from sampan.errors import InvalidRequest, NotSupported

# A shape is one of these words, [shape] for a list, {name: shape} for an object, {"*": shape} for a map of any names.
TEXT, BOOL = "a string", "true or false"
NUMBER, SIGNED, ID = "a whole number from 0 on", "a whole number", "a number between 0 and 4294967295"
RANGES = {NUMBER: (0, 2**64 - 1), SIGNED: (-(2**63), 2**63 - 1), ID: (0, 2**32 - 1)}

MAPPINGS = [{"containerID": ID, "hostID": ID, "size": ID}]
DEVICE_RATE = [{"major": SIGNED, "minor": SIGNED, "rate": NUMBER}]
HOOKS = [{"path": TEXT, "args": [TEXT], "env": [TEXT], "timeout": SIGNED}]
CAPABILITIES = {key: [TEXT] for key in ("bounding", "effective", "inheritable", "permitted", "ambient")}

PROCESS: dict[str, Any] = {
    "terminal": BOOL,
    "consoleSize": {"height": NUMBER, "width": NUMBER},
    "user": {"uid": ID, "gid": ID, "umask": ID, "additionalGids": [ID], "username": TEXT},
    "args": [TEXT],
    "env": [TEXT],
    "cwd": TEXT,
    "capabilities": CAPABILITIES,
    "rlimits": [{"type": TEXT, "soft": NUMBER, "hard": NUMBER}],
    "noNewPrivileges": BOOL,
    "apparmorProfile": TEXT,
    "oomScoreAdj": SIGNED,
    "selinuxLabel": TEXT,
    "scheduler": {
        "policy": TEXT, "nice": SIGNED, "priority": SIGNED, "flags": [TEXT],
        "runtime": NUMBER, "deadline": NUMBER, "period": NUMBER,
    },
    "ioPriority": {"class": TEXT, "priority": SIGNED},
    "execCPUAffinity": {"initial": TEXT, "final": TEXT},
}  # fmt: skip

RESOURCES: dict[str, Any] = {
    "devices": [{"allow": BOOL, "type": TEXT, "major": SIGNED, "minor": SIGNED, "access": TEXT}],
    "memory": {
        "limit": SIGNED, "reservation": SIGNED, "swap": SIGNED, "kernel": SIGNED, "kernelTCP": SIGNED,
        "swappiness": NUMBER, "disableOOMKiller": BOOL, "useHierarchy": BOOL, "checkBeforeUpdate": BOOL,
    },
    "cpu": {
        "shares": NUMBER, "quota": SIGNED, "burst": NUMBER, "period": NUMBER, "realtimeRuntime": SIGNED,
        "realtimePeriod": NUMBER, "cpus": TEXT, "mems": TEXT, "idle": SIGNED,
    },
    "pids": {"limit": SIGNED},
    "blockIO": {
        "weight": NUMBER, "leafWeight": NUMBER,
        "weightDevice": [{"major": SIGNED, "minor": SIGNED, "weight": NUMBER, "leafWeight": NUMBER}],
        "throttleReadBpsDevice": DEVICE_RATE, "throttleWriteBpsDevice": DEVICE_RATE,
        "throttleReadIOPSDevice": DEVICE_RATE, "throttleWriteIOPSDevice": DEVICE_RATE,
    },
    "hugepageLimits": [{"pageSize": TEXT, "limit": NUMBER}],
    "network": {"classID": ID, "priorities": [{"name": TEXT, "priority": ID}]},
    "unified": {"*": TEXT},
    "rdma": {"*": {"hcaHandles": ID, "hcaObjects": ID}},
}  # fmt: skip

SECCOMP: dict[str, Any] = {
    "defaultAction": TEXT,
    "defaultErrnoRet": ID,
    "architectures": [TEXT],
    "flags": [TEXT],
    "listenerPath": TEXT,
    "listenerMetadata": TEXT,
    "syscalls": [
        {
            "names": [TEXT],
            "action": TEXT,
            "errnoRet": ID,
            "args": [{"index": ID, "value": NUMBER, "valueTwo": NUMBER, "op": TEXT}],
        }
    ],
}

LINUX: dict[str, Any] = {
    "namespaces": [{"type": TEXT, "path": TEXT}],
    "uidMappings": MAPPINGS,
    "gidMappings": MAPPINGS,
    "timeOffsets": {"*": {"secs": SIGNED, "nanosecs": ID}},
    "devices": [{"path": TEXT, "type": TEXT, "major": SIGNED, "minor": SIGNED, "fileMode": ID, "uid": ID, "gid": ID}],
    "cgroupsPath": TEXT,
    "resources": RESOURCES,
    "rootfsPropagation": TEXT,
    "seccomp": SECCOMP,
    "sysctl": {"*": TEXT},
    "maskedPaths": [TEXT],
    "readonlyPaths": [TEXT],
    "mountLabel": TEXT,
    "personality": {"domain": TEXT, "flags": [TEXT]},
}

SPEC: dict[str, Any] = {
    "ociVersion": TEXT,
    "root": {"path": TEXT, "readonly": BOOL},
    "mounts": [
        {
            "destination": TEXT,
            "type": TEXT,
            "source": TEXT,
            "options": [TEXT],
            "uidMappings": MAPPINGS,
            "gidMappings": MAPPINGS,
        }
    ],
    "process": PROCESS,
    "hostname": TEXT,
    "domainname": TEXT,
    "hooks": dict.fromkeys(
        ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"), HOOKS
    ),
    "annotations": {"*": TEXT},
    "linux": LINUX,
}

# What each entry of a list cannot do without.
REQUIRED = {
    "mounts": ("destination",),
    "linux.namespaces": ("type",),
    "linux.devices": ("type", "path"),
    "linux.uidMappings": ("containerID", "hostID", "size"),
    "linux.gidMappings": ("containerID", "hostID", "size"),
    "process.rlimits": ("type", "soft", "hard"),
    "linux.seccomp.syscalls": ("names", "action"),
}
REFUSED = {
    "process.apparmorProfile": "this machine's AppArmor cannot be used: take the profile out of the spec",
    "process.selinuxLabel": "this machine's SELinux cannot be used: take the label out of the spec",
    "linux.mountLabel": "this machine's SELinux cannot be used: take the label out of the spec",
    "linux.intelRdt": "Intel RDT cannot be used: take it out of the spec",
    "linux.memoryPolicy": "memory policies cannot be used: take it out of the spec",
    "linux.netDevices": "network devices cannot be moved: use a hook, or a network namespace that is ready",
    "linux.resources.rdma": "RDMA limits cannot be set: take them out of the spec",
    "linux.seccomp.listenerPath": "seccomp notifications cannot be handed on: take the listener out of the spec",
}


def check(value: object, shape: Any, where: str = "") -> None:
    """Raise InvalidRequest, naming the field, unless `value` has `shape`; NotSupported for what is refused."""
    if value is None:
        return  # as Go's decoder has it: null is absent
    if where in REFUSED and value:
        raise NotSupported(f"{where}: {REFUSED[where]}")
    if isinstance(shape, dict):
        _check_object(value, shape, where)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(where, "a list")
        for index, entry in enumerate(value):
            check(entry, shape[0], f"{where}[{index}]")
            _check_required(entry, where, index)
    elif shape in RANGES:
        low, high = RANGES[shape]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(where, shape)
    elif not isinstance(value, str if shape == TEXT else bool):
        raise _wrong(where, shape)
    elif shape == TEXT and "\0" in str(value):
        raise InvalidRequest(f"config.json: {where} holds a NUL byte")


def _check_object(value: object, shape: dict[str, Any], where: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(where or "the document", "an object")
    for name, member in value.items():
        path = f"{where}.{name}" if where else name
        wanted = shape.get(name) or shape.get("*")
        if wanted is not None:
            check(member, wanted, path)
        elif path in REFUSED and member:
            raise NotSupported(f"{path}: {REFUSED[path]}")


def _check_required(entry: object, where: str, index: int) -> None:
    if entry is None:
        raise _wrong(f"{where}[{index}]", "an object, not null")
    for name in REQUIRED.get(where, ()):
        if isinstance(entry, dict) and entry.get(name) is None:
            raise InvalidRequest(f"config.json: {where}[{index}].{name} is missing")


def _wrong(where: str, wanted: str) -> InvalidRequest:
    return InvalidRequest(f"config.json: {where} must be {wanted}")
