"""Which certificates are believed, and which are shown?

The system's authorities, and for one registry those in `certs.d/HOST[:PORT]/*.crt`; `NAME.cert` with `NAME.key` is what
we show (docker's /etc/docker/certs.d). There is no way to switch verification off but the list of insecure registries.
"""

import ssl
from collections.abc import Iterable
from pathlib import Path

from sampan.errors import InvalidRequest


def make_context(host: str, directories: Iterable[Path], *, verify: bool = True) -> ssl.SSLContext:
    """What to speak TLS with to `host` ("name" or "name:port"). Blocks: it reads files. Raises InvalidRequest."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for directory in directories:
        _add(context, directory / host)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _add(context: ssl.SSLContext, directory: Path) -> None:
    try:
        files = sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InvalidRequest(f"could not read {directory}: {error.strerror}") from None
    for file in files:
        try:
            if file.suffix == ".crt":
                context.load_verify_locations(cafile=file)
            elif file.suffix == ".cert":
                key = file.with_suffix(".key")
                if not key.exists():
                    raise InvalidRequest(
                        f"missing key {key.name} for client certificate {file.name}. "
                        "CA certificates must use the extension .crt"
                    )
                context.load_cert_chain(file, key)
            elif file.suffix == ".key" and not file.with_suffix(".cert").exists():
                raise InvalidRequest(f"missing client certificate {file.with_suffix('.cert').name} for key {file.name}")
        except (ssl.SSLError, OSError) as error:
            raise InvalidRequest(f"could not use {file}: {error}") from None
