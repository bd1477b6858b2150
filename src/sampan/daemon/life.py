"""What happens while the daemon runs: start, signals, end.

SIGTERM and SIGINT end it gracefully, a second one at once. SIGHUP reads the configuration file again; what can change
without a restart does. SIGUSR1 prints where every thread is, for whoever looks into a daemon that hangs.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import resource
import signal
import ssl
from collections.abc import Sequence

from sampan.api import tls
from sampan.api.connection import Server
from sampan.api.listen import Listener
from sampan.daemon import metrics, notify
from sampan.daemon.assemble import Assembled, assemble
from sampan.daemon.config import Config, configure
from sampan.daemon.serve import Doors
from sampan.errors import InvalidRequest, SampanError
from sampan.linux import malloc

DESCRIPTORS = 1 << 16
TRIM_SECONDS = 30

_log = logging.getLogger("sampan.daemon")


def live(config: Config, listeners: Sequence[Listener]) -> None:
    """Run the daemon on these sockets until a signal ends it. Raises SampanError, OSError when it cannot start."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    asyncio.run(_live(config, listeners))


async def _live(config: Config, listeners: Sequence[Listener]) -> None:
    loop = asyncio.get_running_loop()
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, asked_to_end)
    context = _tls_context(config) if config.tlsverify else None
    parts = await assemble(config)
    loop.add_signal_handler(signal.SIGHUP, _reload, config, parts)
    server = Server(parts.app)
    doors = Doors(server)
    await doors.open(listeners, context)
    if config.metrics_addr:
        await doors.open_metrics(metrics.listen(config.metrics_addr, config.group), parts.app)
    # What has been made so far stays until the end: no need to look through it for garbage again and again.
    gc.collect()
    gc.freeze()
    gc.enable()
    await parts.zygote
    # Only now: containers inherit their limits from the zygote, which inherited ours.
    _raise_descriptor_limit()
    sweep = asyncio.create_task(asyncio.to_thread(parts.images.sweep), name="sweep images")
    notify.ready()
    _log.info("API listens on %s", ", ".join(listener.address for listener in listeners))
    watchdog = asyncio.create_task(notify.keep_alive(), name="watchdog")
    tidying = asyncio.create_task(_stay_small(server), name="stay small")
    try:
        await asked_to_end.wait()
    finally:
        notify.stopping()
        watchdog.cancel()
        tidying.cancel()
        await asyncio.gather(sweep, watchdog, tidying, return_exceptions=True)
        await doors.close(config.shutdown_timeout)
        await parts.close()
    _log.info("ended; containers go on")


async def _stay_small(server: Server) -> None:
    """Give freed memory back after work: big answers leave holes in the heap, and a daemon lives for months."""
    seen = 0
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        if server.requests_count != seen:
            seen = server.requests_count
            await asyncio.to_thread(malloc.trim)


def _end(asked: asyncio.Event) -> None:
    if asked.is_set():
        _log.warning("told to end again: leaving at once")
        os._exit(1)
    asked.set()


def _reload(config: Config, parts: Assembled) -> None:
    notify.reloading()
    try:
        parts.reload(configure(config.words))
        _log.info("configuration reloaded from %s", config.config_file)
    except SampanError as error:
        _log.error("configuration not reloaded: %s", error)
    notify.ready()


def _tls_context(config: Config) -> ssl.SSLContext:
    try:
        return tls.mutual_context(ca=config.tlscacert, certificate=config.tlscert, key=config.tlskey)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest(f"could not use the TLS certificates: {error}") from None


def _raise_descriptor_limit() -> None:
    """A client takes one descriptor, an attached one a second for a moment: let there be enough for thousands."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(hard, DESCRIPTORS), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        except (ValueError, OSError):
            continue  # only CAP_SYS_RESOURCE may go beyond the hard limit
