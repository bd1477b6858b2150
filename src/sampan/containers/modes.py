"""Which namespaces does a container share, and does that fit with the rest of the request?

Modes are `""` (Docker's default), `private`, `host`, `container:NAME|ID` and, for IPC, `shareable` and `none`. Pure.
Sentences are dockerd's.
"""

from sampan.errors import InvalidRequest
from sampan.networks import mode as network_mode
from sampan.networks.mode import Mode
from sampan.wire.containers import ContainerConfig, HostConfig

CONTAINER = network_mode.CONTAINER


def container_of(mode: str) -> str:
    """The NAME or ID of `container:…`, "" for any other mode."""
    return mode.removeprefix(CONTAINER) if mode.startswith(CONTAINER) else ""


def check(asked: HostConfig, config: ContainerConfig, network: Mode, *, is_remapped: bool = False) -> None:
    """Raises InvalidRequest for an unknown mode or one that contradicts another field.

    `is_remapped`: the daemon gives containers users of their own (`--userns-remap`).
    """
    if asked.ipc_mode not in ("", "private", "host", "shareable", "none") and not container_of(asked.ipc_mode):
        raise InvalidRequest(f"invalid IPC mode: {asked.ipc_mode}")
    if asked.pid_mode not in ("", "host") and not container_of(asked.pid_mode):
        raise InvalidRequest(f"invalid PID mode: {asked.pid_mode}")
    if asked.uts_mode not in ("", "host"):
        raise InvalidRequest(f"invalid UTS mode: {asked.uts_mode}")
    if asked.userns_mode not in ("", "host"):
        raise InvalidRequest(f"invalid user namespace mode: {asked.userns_mode}")
    if asked.cgroupns_mode not in ("", "private", "host"):
        raise InvalidRequest(f"invalid cgroup namespace mode: {asked.cgroupns_mode}")
    if asked.isolation not in ("", "default"):
        raise InvalidRequest(f"Invalid isolation: \"{asked.isolation}\" - linux only supports 'default'")
    if asked.uts_mode == "host" and config.hostname:
        raise InvalidRequest("conflicting options: hostname and the UTS mode")
    if is_remapped and asked.userns_mode != "host":
        _check_remapped(asked, network)
    if network.container:
        _check_joined_network(asked, config)
    if (network.is_host or network.container) and config.mac_address:
        raise InvalidRequest("conflicting options: mac-address and the network mode")


def _check_remapped(asked: HostConfig, network: Mode) -> None:
    """Who has users of its own has no rights over namespaces of the host's, or of another container's."""
    if asked.privileged:
        raise InvalidRequest(
            "privileged mode is incompatible with user namespaces.  "
            "You must run the container in the host namespace when running privileged mode"
        )
    if network.is_host:
        raise InvalidRequest("cannot share the host's network namespace when user namespaces are enabled")
    if asked.pid_mode == "host":
        raise InvalidRequest("cannot share the host PID namespace when user namespaces are enabled")
    for mode, what in ((asked.pid_mode, "PID"), (asked.ipc_mode, "IPC")):
        if container_of(mode):
            raise InvalidRequest(
                f"cannot share another container's {what} namespace when user namespaces are enabled: "
                "each container's belongs to its own users; use --userns host for both"
            )


def _check_joined_network(asked: HostConfig, config: ContainerConfig) -> None:
    """What is the business of the stack's owner cannot be asked for by one who joins it."""
    if config.hostname:
        raise InvalidRequest("conflicting options: hostname and the network mode")
    if asked.links:
        raise InvalidRequest(
            "conflicting options: container type network can't be used with links. "
            "This would result in undefined behavior"
        )
    if asked.dns:
        raise InvalidRequest("conflicting options: dns and the network mode")
    if asked.extra_hosts:
        raise InvalidRequest("conflicting options: custom host-to-IP mapping and the network mode")
    if asked.port_bindings or asked.publish_all_ports:
        raise InvalidRequest("conflicting options: port publishing and the container type network mode")
    if config.exposed_ports:
        raise InvalidRequest("conflicting options: port exposing and the container type network mode")
