"""Where do clients wait that attached before their container started?

`docker run` attaches first and starts afterwards, so that no output is missed. Until the start its connection is parked
here; then the shim gets it. Those who hung up meanwhile are dropped when somebody else comes.
"""

import os
import select
from collections.abc import Sequence

from sampan.errors import Unavailable
from sampan.runtime.streams import Stream

MOST = 256


class Parked:
    """Streams of clients, by container; owns their descriptors."""

    def __init__(self) -> None:
        self._streams: dict[str, list[Stream]] = {}

    def add(self, container_id: str, stream: Stream) -> None:
        """Keep a stream for the next start. Raises Unavailable (the caller keeps the descriptor) when too many wait."""
        streams = self._streams.setdefault(container_id, [])
        streams[:] = _alive(streams)
        if len(streams) >= MOST:
            raise Unavailable(f"{MOST} clients wait for this container to start already")
        streams.append(stream)

    def take(self, container_id: str) -> list[Stream]:
        """The waiting streams, whose descriptors are now the caller's."""
        return self._streams.pop(container_id, [])

    def close(self, container_id: str) -> None:
        """Hang up: the container will not start."""
        close_all(self.take(container_id))


def close_all(streams: Sequence[Stream]) -> None:
    """Close the descriptors of streams that nobody will serve."""
    for stream in streams:
        try:
            os.close(stream.fd)
        except OSError:
            pass  # it was closed by whoever it had been handed to


def _alive(streams: Sequence[Stream]) -> list[Stream]:
    poll = select.poll()
    for stream in streams:
        # Not POLLRDHUP: a client may have ended its input, and still be waiting for the output.
        poll.register(stream.fd, 0)
    gone = {fd for fd, events in poll.poll(0) if events & (select.POLLHUP | select.POLLERR | select.POLLNVAL)}
    close_all([stream for stream in streams if stream.fd in gone])
    return [stream for stream in streams if stream.fd not in gone]
