"""What does `--network` say?

`none`, `host`, `container:NAME|ID`, or the name of a network. `default` and the empty string mean the daemon's default
network. Pure: whether the network or container exists is asked later.
"""

from dataclasses import dataclass

from sampan.errors import InvalidRequest

CONTAINER = "container:"
DEFAULT_WORDS = ("", "default", "bridge")


@dataclass(frozen=True, slots=True)
class Mode:
    """A parsed network mode: either another container's stack, or a network by name."""

    network: str = ""
    container: str = ""

    @property
    def is_host(self) -> bool:
        """The host's own stack."""
        return self.network == "host"

    @property
    def is_private(self) -> bool:
        """A stack that this container has to itself."""
        return not self.is_host and not self.container


def parse(mode: str, default: str = "bridge") -> Mode:
    """The meaning of HostConfig.NetworkMode; `default` is the network that the daemon's default stands for.

    Raises InvalidRequest for a malformed mode.
    """
    if mode == CONTAINER.rstrip(":") or mode.startswith(CONTAINER):
        container = mode.removeprefix(CONTAINER)
        if not container or mode == CONTAINER.rstrip(":"):
            raise InvalidRequest("Invalid network mode: invalid container format container:<name|id>")
        return Mode(container=container)
    return Mode(network=default if mode in DEFAULT_WORDS else mode)
