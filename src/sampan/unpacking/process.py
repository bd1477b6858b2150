"""Who takes an archive apart that nobody trusts?

A process of its own for each one, forked by one that is started here: it is given the directory and the archive's
bytes, and confined before it has looked at any of them (`confinement`). What it says at its end is raised here as if it
had happened here.
"""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from io import FileIO

from sampan.errors import Forbidden, InvalidRequest, NotFound, NotSupported, SampanError, Unavailable
from sampan.layers.extract import Rules
from sampan.layers.header import BadLayer
from sampan.layers.stream import CHUNK_BYTES, Source
from sampan.linux.seccomp import ALLOW, ERRNO
from sampan.linux.syscalls.numbers import native_abi
from sampan.runtime.bpf_filter import compile_policy
from sampan.runtime.protocol import BrokenMessage, Message, receive, send
from sampan.runtime.seccomp_profile import Policy, Rule
from sampan.unpacking.confinement import CALLS

PROGRAM = "import json,sys; sys.path[:]=json.loads(sys.argv[1]); from sampan.unpacking.server import main; main({fd})"
AS_IT_IS = Rules()
PIPE_BYTES = 1 << 20
ATTEMPTS = 3
KINDS: dict[str, type[SampanError]] = {
    kind.__name__: kind for kind in (BadLayer, Forbidden, InvalidRequest, NotFound, NotSupported, Unavailable)
}
TOO_MUCH = "the archive needs more time or memory than unpacking may take"


def extract_confined(source: Source, root: int, path: str, rules: Rules = AS_IT_IS) -> None:
    """What `layers.extract.extract` does, in a process that can reach nothing but the tree at `root`."""
    order = {"work": "members", "path": path, "keeps_kinds": rules.keeps_kinds, "owner": rules.owner}
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(writer, "wb", buffering=0) as pipe:
        with os.fdopen(reader, "rb", buffering=0) as theirs:
            work = UNPACKER.begin(order, (root, theirs.fileno()))
        with work:
            try:
                _feed(source, pipe)
            except BaseException:
                pipe.close()  # so it comes to an early end, and takes back the file that it has half of
                _received(work)
                raise
            pipe.close()
            _finish(work)


def unpack_confined(index: int, tar: int, directory: int, name: str) -> None:
    """What `layers.unpack.unpack` does, in a process that can reach nothing but `directory`."""
    with UNPACKER.begin({"work": "layer", "name": name}, (directory, index, tar)) as work:
        _finish(work)


def _feed(source: Source, pipe: FileIO) -> None:
    """Pass on the archive to its end, or until nobody reads it any more."""
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    while piece := source.read(CHUNK_BYTES):
        view = memoryview(piece)
        try:
            while view:
                view = view[pipe.write(view) :]
        except BrokenPipeError:
            return  # it has ended, and says why


@cache
def seccomp_filter() -> bytes:
    """The system calls of the process that unpacks."""
    abi = native_abi(os.uname().machine)
    assert abi, "linux.call has refused other machines long before"
    return compile_policy(Policy(ERRNO | errno.EPERM, (Rule(CALLS, ALLOW),), (abi,)))


class Unpacker:
    """The process that forks one for each archive; started when it is needed and is not there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def begin(self, order: Message, fds: Sequence[int]) -> socket.socket:
        """Have a process begin with this order; the socket to it. Raises Unavailable when none can be started."""
        order = {**order, "filter": seccomp_filter().hex()}
        for _ in range(ATTEMPTS):
            ours, theirs = socket.socketpair()
            with theirs, self._lock:
                self._send(order, (theirs.fileno(), *fds))
            if _received(ours) is not None:
                return ours
            ours.close()  # it ended for want of work just then, or somebody killed it: nothing is lost yet
        raise Unavailable("the process that unpacks archives ends before it has begun: try again")

    def _send(self, order: Message, fds: Sequence[int]) -> None:
        if self._socket:
            try:
                return send(self._socket, order, fds)
            except OSError:
                pass  # it ended
        send(self._start(), order, fds)

    def _start(self) -> socket.socket:
        if self._socket:
            self._socket.close()
        ours, theirs = socket.socketpair()
        with theirs:
            program = PROGRAM.format(fd=theirs.fileno())
            process = subprocess.Popen(
                (sys.executable, "-I", "-S", "-B", "-c", program, json.dumps(sys.path)),
                env={"LC_ALL": "C.UTF-8"}, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        # It ends by itself, when this is about something else; somebody has to collect it then.
        threading.Thread(target=process.wait, name="unpacker", daemon=True).start()
        self._socket = ours
        return ours


UNPACKER = Unpacker()


def _finish(work: socket.socket) -> None:
    """Wait for the end, and raise what went wrong."""
    answer = _received(work)
    if answer is None:
        raise InvalidRequest(TOO_MUCH)  # nothing else ends it before its time
    if "error" in answer:
        raise _raised(answer)


def _received(work: socket.socket) -> Message | None:
    """What it says next; None when it is gone."""
    try:
        received = receive(work)
    except (OSError, BrokenMessage):
        return None
    return received[0] if received else None


def _raised(answer: Message) -> Exception:
    name, text = answer["error"], answer["text"]
    if name in KINDS:
        return KINDS[name](text)
    if name == "OSError":
        return OSError(answer["errno"], text, answer["path"])
    if name == "MemoryError":
        return InvalidRequest(TOO_MUCH)
    return RuntimeError(f"unpacking: {name}: {text}")
