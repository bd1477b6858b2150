"""sampan runtime features: what can this runtime do? OCI runtime spec 1.2, features.md."""

import json
import os
import sys
from typing import Any

from sampan.cli.runtime.call import Call, Command
from sampan.linux.capability import CAPABILITIES
from sampan.runtime.plan_mounts import ATIMES, CLEARS, IGNORED, PROPAGATIONS, SETS, SUPERBLOCK_FLAGS
from sampan.runtime.planner import NAMESPACES, SECCOMP_FLAGS
from sampan.runtime.seccomp_profile import ACTIONS, OPERATORS

HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}


def run(call: Call) -> int:
    """Print them as JSON."""
    sys.stdout.write(json.dumps(features(os.uname().machine), indent=4) + "\n")
    return 0


def features(machine: str) -> dict[str, Any]:
    """The features on an architecture, as uname(2) calls it."""
    attributes = {**SETS, **CLEARS, **ATIMES}
    options = {*attributes, *(f"r{word}" for word in attributes), *PROPAGATIONS, *IGNORED, *SUPERBLOCK_FLAGS}
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.0",
        "hooks": list(HOOKS),
        "mountOptions": sorted(options),
        "linux": {
            "namespaces": sorted(NAMESPACES),
            "capabilities": list(CAPABILITIES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": False},
            "seccomp": {
                "enabled": True,
                "actions": sorted(ACTIONS),
                "operators": sorted(OPERATORS),
                "archs": list(ARCHITECTURES.get(machine, ())),
                "knownFlags": sorted(SECCOMP_FLAGS),
                "supportedFlags": sorted(SECCOMP_FLAGS),
            },
            "apparmor": {"enabled": False},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
        },
        "annotations": {"org.opencontainers.runc.checkpoint.enabled": "false"},
    }


COMMAND = Command(usage="", run=run, least=0, most=0)
