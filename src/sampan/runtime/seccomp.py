"""Which system calls may a container make?

    profile (JSON) ── resolve ──► OCI linux.seccomp ── read_policy ──► Policy ── compile_policy ──► filter (BPF)
     seccomp.py       seccomp_profile.py               seccomp_profile.py        bpf_filter.py

`profile/default.json` is what a container gets when nothing is said. Its decisions are those of Docker's default
profile (moby/profiles, seccomp/default.json, Apache-2.0): names that any program may need are allowed, names that go
with a capability are allowed with it, everything else gets EPERM. One way round it stays open as in Docker: a 32-bit
x86 program can reach every address family through socketcall(2), whose arguments no filter can see.

Loading the filter is the last step of `init.py`; it does not replace no_new_privs or dropped capabilities.
"""

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from sampan.runtime.bpf_filter import compile_policy
from sampan.runtime.seccomp_profile import read_policy, resolve

__all__ = ["compile_profile", "default_filter", "default_profile", "resolve"]


def compile_profile(
    profile: Mapping[str, Any], *, capabilities: frozenset[str], architecture: str, kernel: tuple[int, int]
) -> bytes:
    """The filter for a container with these capabilities ("CAP_CHOWN", …), as an array of struct sock_filter.

    `profile` is Docker's JSON or an OCI `linux.seccomp`; `architecture` is named as in uname(2) or in the OCI.
    Raises InvalidRequest naming what is wrong with the profile, NotSupported for what sampan cannot do.
    """
    return compile_policy(read_policy(resolve(profile, capabilities, architecture, kernel), architecture))


def default_profile() -> dict[str, Any]:
    """The profile of a container for which none was chosen, in Docker's JSON."""
    profile: dict[str, Any] = json.loads(_default_text())
    return profile


@lru_cache(maxsize=32)
def default_filter(capabilities: frozenset[str], architecture: str, kernel: tuple[int, int]) -> bytes:
    """The compiled default profile: nearly all containers share a few sets of capabilities."""
    return compile_profile(default_profile(), capabilities=capabilities, architecture=architecture, kernel=kernel)


@cache
def _default_text() -> bytes:
    return (Path(__file__).parent / "profile" / "default.json").read_bytes()
