"""Does a request go through a proxy?

`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, or the flags of the same names, by the rules of Go's httpproxy package:
never for loopback; NO_PROXY has names (their subdomains included), `.name` (subdomains only), addresses, CIDR blocks,
each perhaps with a port, or `*`.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from sampan.registry.endpoint import as_address


def environment_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """`http_proxy`, `https_proxy` and `no_proxy` as the environment has them; upper case wins, as in Go."""
    names = ("http_proxy", "https_proxy", "no_proxy")
    return {name: environment.get(name.upper()) or environment.get(name, "") for name in names}


def proxy_for(url: str, *, http_proxy: str, https_proxy: str, no_proxy: str) -> str:
    """The URL of the proxy for a request to `url`; "" for none."""
    parts = urlsplit(url)
    proxy = https_proxy if parts.scheme == "https" else http_proxy
    if not proxy:
        return ""
    host, port = (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    address = as_address(host)
    if host == "localhost" or (address and address.is_loopback) or _is_listed(host, port, no_proxy):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_listed(host: str, port: int, no_proxy: str) -> bool:
    return any(_matches(entry.strip().lower(), host, port) for entry in no_proxy.split(",") if entry.strip())


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = as_address(host)
    if "/" in entry:
        try:
            return bool(address) and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, _, wanted = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
    if wanted and wanted != str(port):
        return False
    if address:
        return as_address(name.strip("[]")) == address
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")
