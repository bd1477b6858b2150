"""How does a registry live, from its command line to its end?

words → Settings → data root locked → listening → answering, and collecting now and then
                                          SIGTERM → requests end → sockets closed → exit
"""

import asyncio
import fcntl
import logging
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from sampan.errors import Conflict, InvalidRequest, SampanError
from sampan.registry.credentials import ANONYMOUS, Credentials
from sampan.registry.serve.app import Registry
from sampan.registry.serve.auth import Gate, Open, Passwords, Tokens
from sampan.registry.serve.connection import Handler, Server
from sampan.registry.serve.settings import Settings, parse
from sampan.registry.serve.store import RegistryStore
from sampan.registry.serve.upstream import Upstream
from sampan.wire.metrics import CONTENT_TYPE

BAD_FLAGS, FAILED = 125, 1
END_SECONDS = 10.0

_log = logging.getLogger("sampan.registry")


def main(words: Sequence[str]) -> int:
    """`sampan registry serve WORDS…`: run until told to end; returns the exit code."""
    try:
        settings = parse(words)
    except SampanError as error:
        sys.stderr.write(f"{error}\nSee 'sampan registry serve --help'.\n")
        return BAD_FLAGS
    logging.basicConfig(
        level=settings.log_level,
        format='time="%(asctime)s" level=%(levelname)s logger=%(name)s msg="%(message)s"',
        stream=sys.stderr,
    )
    try:
        os.umask(0o077)
        settings.data_root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = hold(settings.data_root)
        try:
            asyncio.run(_live(settings))
        finally:
            os.close(lock)
        return 0
    except (SampanError, OSError) as error:
        sys.stderr.write(f"failed to start the registry: {error}\n")
        return FAILED


def hold(data_root: Path) -> int:
    """Take the data root for this process; the descriptor that holds it. Raises Conflict."""
    descriptor = os.open(data_root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(f"another registry uses {data_root}") from None
    return descriptor


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """How HTTPS is spoken, if it is. Raises InvalidRequest."""
    if not settings.tls_cert or not settings.tls_key:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest(f"could not use the TLS certificate: {error}") from None
    return context


def make_gate(settings: Settings) -> Gate:
    """Who may come in. Raises InvalidRequest, NotSupported."""
    if settings.htpasswd:
        return Passwords(settings.htpasswd, settings.realm, anonymous_pull=settings.anonymous_pull)
    if settings.token_realm and settings.token_key:
        return Tokens(
            realm=settings.token_realm, service=settings.token_service, issuer=settings.token_issuer,
            key_file=settings.token_key,
        )  # fmt: skip
    return Open()


async def open_upstream(settings: Settings, store: RegistryStore) -> Upstream:
    """The registry that ours is a cache of. Raises InvalidRequest."""
    credentials = ANONYMOUS
    if settings.proxy_user:
        if not settings.proxy_password_file:
            raise InvalidRequest("--proxy-user needs --proxy-password-file")
        secret = await asyncio.to_thread(settings.proxy_password_file.read_text)
        credentials = Credentials(settings.proxy_user, secret.rstrip("\n"))
    return Upstream(settings.proxy, store, credentials)


async def _live(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_end.set)
    context, gate = tls_context(settings), make_gate(settings)
    async with AsyncExitStack() as undo:
        store = RegistryStore(settings.data_root, settings.bounds)
        undo.callback(store.close)
        upstream = await open_upstream(settings, store) if settings.proxy else None
        if upstream:
            undo.push_async_callback(upstream.close)
        registry = Registry(store, gate, settings.read_only, patience=settings.patience, upstream=upstream)
        server = Server(registry)
        undo.push_async_callback(server.finish, END_SECONDS)
        door = await loop.create_server(server, *settings.address, ssl=context, backlog=512)
        undo.callback(door.close)
        if settings.metrics_address:
            counting = web.Server(_metrics(registry))
            undo.push_async_callback(counting.shutdown, 1.0)
            window = await loop.create_server(counting, *settings.metrics_address)
            undo.callback(window.close)
            _log.info("metrics on %s:%d", *window.sockets[0].getsockname()[:2])
        collecting = asyncio.create_task(_collect(registry, settings), name="collect")
        undo.callback(collecting.cancel)
        _log.info("registry listens on %s:%d", *door.sockets[0].getsockname()[:2])
        await asked_to_end.wait()
        door.close()


async def _collect(registry: Registry, settings: Settings) -> None:
    while settings.gc_interval > 0:
        await asyncio.sleep(settings.gc_interval)
        try:
            await registry.collect(grace_seconds=settings.gc_grace, untagged=settings.gc_untagged)
        except Exception:
            _log.exception("the collection failed")


def _metrics(registry: Registry) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != "/metrics":
            return web.Response(status=404)
        gauges = await asyncio.to_thread(registry.store.gauges)
        return web.Response(body=registry.metrics.text(gauges).encode(), headers={"Content-Type": CONTENT_TYPE})

    return answer
