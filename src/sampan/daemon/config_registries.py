"""How do flags and the configuration file become what the engine knows about registries?"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sampan.errors import InvalidRequest
from sampan.registry.proxy import environment_proxies
from sampan.registry.settings import CERTS, Settings, check_mirror, parse_hosts
from sampan.wire import json as strict

PROXIES = "proxies"
MOST_AT_ONCE = 100
_TABLE_BYTES = 1 << 20


def registry_settings(value: Callable[[str], Any], environment: Mapping[str, str]) -> Settings:
    """The settings for registries; `value` gives that of a flag. Raises InvalidRequest."""
    proxies = environment_proxies(environment)
    given = {name: value(name.replace("_", "-")) for name in proxies}
    table = {name: strict.parse(text.encode(), limit=_TABLE_BYTES) for name, text in value("registries").items()}
    certs = Path(value("registry-certs-dir"))
    return Settings(
        mirrors=tuple(check_mirror(url) for url in value("registry-mirror")),
        insecure=tuple(_insecure(text) for text in value("insecure-registry")),
        hosts=parse_hosts(table),
        certs=CERTS if certs in CERTS else (certs,),
        **(proxies | {name: text for name, text in given.items() if text}),
        attempts=_at_least_one("max-download-attempts", value),
        downloads=_at_least_one("max-concurrent-downloads", value),
        uploads=_at_least_one("max-concurrent-uploads", value),
    )


def table_text(value: Any) -> str:
    """One registry's settings in the file, as the flag would have them."""
    return json.dumps(value)


def _at_least_one(name: str, value: Callable[[str], Any]) -> int:
    number = int(value(name))
    if not 1 <= number <= MOST_AT_ONCE:
        raise InvalidRequest(f"invalid {name.replace('-', ' ')}: {number}: 1 to {MOST_AT_ONCE} are possible")
    return number


def _insecure(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    return rest.rstrip("/") if separator and scheme in ("http", "https") else text
