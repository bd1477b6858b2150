"""What do the --security-opt words ask for?

`no-new-privileges[=bool]`, `seccomp=unconfined|builtin|JSON`, `apparmor=…`, `label=…`, `systempaths=unconfined`; the
separator may be a colon (deprecated, still accepted by dockerd). Pure. An option that this kernel cannot honour is an
error, never silently without effect; the words that switch a mechanism off are fine where there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.containers.host import Host
from sampan.errors import InvalidRequest, NotSupported, SampanError
from sampan.wire import json

TRUE = ("1", "t", "T", "TRUE", "true", "True")
FALSE = ("0", "f", "F", "FALSE", "false", "False")


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """The parsed options. `seccomp`: "default", "unconfined", or "custom" with the profile in `profile`."""

    no_new_privileges: bool = False
    seccomp: str = "default"
    profile: dict[str, Any] | None = None
    unconfined_paths: bool = False


def parse(
    options: Sequence[str],
    *,
    host: Host,
    no_new_privileges: bool = False,
    profile: "str | Mapping[str, Any]" = "default",
) -> Security:
    """The meaning of HostConfig.SecurityOpt over the daemon's defaults. Raises InvalidRequest or NotSupported."""
    seccomp, custom = (profile, None) if isinstance(profile, str) else ("custom", dict(profile))
    unconfined_paths = False
    for option in options:
        if option == "no-new-privileges":
            no_new_privileges = True
            continue
        if option == "disable":  # dockerd's short form of label=disable
            continue
        separator = "=" if "=" in option else ":"
        key, found, value = option.partition(separator)
        if not found:
            raise InvalidRequest(f'invalid --security-opt 1: "{option}"')
        if key == "no-new-privileges" and value in (*TRUE, *FALSE):
            no_new_privileges = value in TRUE
        elif key == "seccomp":
            seccomp, custom = _seccomp(value)
        elif key == "systempaths" and value == "unconfined":
            unconfined_paths = True
        elif key in ("apparmor", "label"):
            _check_lsm(key, value, host)
        elif key == "writable-cgroups" and value in FALSE:
            continue
        elif key == "writable-cgroups" and value in TRUE:
            raise NotSupported("writable-cgroups is not supported yet")
        else:
            raise InvalidRequest(f'invalid --security-opt 2: "{option}"')
    return Security(
        no_new_privileges=no_new_privileges, seccomp=seccomp, profile=custom, unconfined_paths=unconfined_paths
    )


def read_profile(path: str) -> "str | Mapping[str, Any]":
    """What `--seccomp-profile` of the daemon says: "default", "unconfined", or a profile. Raises InvalidRequest."""
    if path in ("builtin", "", "unconfined"):
        return "unconfined" if path == "unconfined" else "default"
    try:
        text = Path(path).read_text()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InvalidRequest(f"opening seccomp profile ({path}) failed: {reason}") from None
    return _seccomp(text)[1] or "default"


def _seccomp(value: str) -> tuple[str, dict[str, Any] | None]:
    if value in ("unconfined", "builtin"):
        return {"builtin": "default"}.get(value, value), None
    try:
        profile = json.parse(value)
    except SampanError as error:
        raise InvalidRequest(f"decoding seccomp profile failed: {error}") from None
    if not isinstance(profile, dict):
        raise InvalidRequest("decoding seccomp profile failed: not a JSON object")
    return "custom", profile


def _check_lsm(key: str, value: str, host: Host) -> None:
    if key == "apparmor":
        if not host.has_apparmor and value != "unconfined":
            raise NotSupported(f'cannot use AppArmor profile "{value}": AppArmor is not enabled in this kernel')
        if host.has_apparmor and value != "unconfined":
            raise NotSupported("AppArmor profiles are not supported yet")
    elif value != "disable":
        what = "not supported yet" if host.has_selinux else "of no effect: SELinux is not enabled on this machine"
        raise NotSupported(f'the security option "label={value}" is {what}')
