"""How does the daemon live, from its command line to its end?

    words → Config → data root locked → listening → zygote started → everything assembled → answering
                                                                  SIGTERM → requests end → sockets closed → exit

It listens before the heavy modules are imported: a client that comes in that moment waits in the socket's queue instead
of being refused. The daemon's end is nobody else's: containers go on, and the next daemon takes them up.
"""

import gc
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module

from sampan import __version__
from sampan.api.listen import close_listeners, open_listeners
from sampan.daemon import pidfile
from sampan.daemon.arguments import parse, usage
from sampan.daemon.config import Config, configure
from sampan.errors import SampanError

BAD_FLAGS, FAILED = 125, 1
DATA_ROOT_MODE = 0o710
RUN_ROOT_MODE = 0o711  # the API's socket lies in it, for its group to reach
DEFAULT_SOCKET = "/run/sampan/sampan.sock"
_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}


def main(words: Sequence[str]) -> int:
    """`sampan daemon WORDS…`: run until told to end; returns the exit code."""
    try:
        given = parse(words)
        if given.get("help"):
            sys.stdout.write(usage())
            return 0
        if given.get("version"):
            sys.stdout.write(f"sampan version {__version__}\n")
            return 0
        config = configure(words)
    except SampanError as error:
        sys.stderr.write(f"{error}\nSee 'sampan daemon --help'.\n")
        return BAD_FLAGS
    if given.get("validate"):
        sys.stderr.write("configuration OK\n")
        return 0
    logging.basicConfig(
        level=_LEVELS[config.log_level],
        format='time="%(asctime)s" level=%(levelname)s logger=%(name)s msg="%(message)s"',
        stream=sys.stderr,
    )
    return _run(config)


def _run(config: Config) -> int:
    with ExitStack() as undo:
        try:
            if os.geteuid() != 0:
                raise SampanError("the daemon needs to be started with root privileges")
            os.umask(0o022)
            _directories(config)
            undo.callback(os.close, pidfile.lock(config.data_root))
            undo.callback(os.close, pidfile.write(config.pidfile))
            undo.callback(config.pidfile.unlink, missing_ok=True)
            listeners = open_listeners(
                config.hosts, group=config.group, default_path=DEFAULT_SOCKET, has_tls=config.tlsverify
            )
            undo.callback(close_listeners, listeners)
            gc.disable()  # hundreds of modules come now, and no garbage; `life` turns it on again
            _import_rest()
            from sampan.daemon.life import live

            live(config, listeners)
            return 0
        except (SampanError, OSError) as error:
            sys.stderr.write(f"failed to start daemon: {error}\n")
            return FAILED


def _directories(config: Config) -> None:
    for path, mode in ((config.data_root, DATA_ROOT_MODE), (config.exec_root, RUN_ROOT_MODE)):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)


def _import_rest() -> None:
    """Import the heavy modules, now that the sockets listen: this is most of the time that a start takes.

    aiohttp reads the system's certificate store twice when it is imported, a tenth of a second, for clients that use
    its default. There is no such client here: who speaks TLS in this daemon makes a context of its own.
    """
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        import_module("sampan.daemon.life")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
