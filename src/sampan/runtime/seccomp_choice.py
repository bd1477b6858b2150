"""Which seccomp filter does a spec ask for?

`linux.seccomp` of the spec itself, else the default profile if its `sampan.seccomp` annotation says so, else none.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from sampan.runtime.seccomp import compile_profile, default_filter


def filter_for(spec: Mapping[str, Any]) -> bytes:
    """The compiled filter, b"" for none. Raises InvalidRequest or NotSupported for a profile that cannot be."""
    profile = (spec.get("linux") or {}).get("seccomp")
    annotated = (spec.get("annotations") or {}).get("sampan.seccomp") == "default"
    if not profile and not annotated:
        return b""
    bounding = (((spec.get("process") or {}).get("capabilities")) or {}).get("bounding") or ()
    capabilities = frozenset(str(name) for name in bounding)
    architecture, kernel = machine()
    if profile:
        return compile_profile(profile, capabilities=capabilities, architecture=architecture, kernel=kernel)
    return default_filter(capabilities, architecture, kernel)


@cache
def machine() -> tuple[str, tuple[int, int]]:
    """(architecture, kernel version) of this machine."""
    facts = os.uname()
    major, minor = (int("".join(c for c in part if c.isdigit()) or 0) for part in facts.release.split(".")[:2])
    return facts.machine, (major, minor)
