"""Where does a container's output go besides the engine's own log, and what is said about it there?

`json-file` and `local` are the engine's log; `syslog` and `journald` are sent each line in addition, so that `logs`
works with them, too; `none` keeps nothing. Options are dockerd's (docs.docker.com, "Configure logging drivers").
"""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote_plus, urlsplit

from sampan.containers.model import Container
from sampan.errors import InvalidRequest, NotSupported
from sampan.runtime.log_lines import Destination, connect
from sampan.runtime.streams import LogOptions
from sampan.wire.containers import HostConfig, LogConfig

FILES = ("json-file", "local")
DRIVERS = (*FILES, "none", "syslog", "journald")
ABSENT = ("gelf", "fluentd", "awslogs", "splunk", "etwlogs", "gcplogs", "logentries")
FOR_ALL = ("mode", "max-buffer-size")
ABOUT = ("labels", "labels-regex", "env", "env-regex", "tag")
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "json-file": ("max-size", "max-file", "compress", *ABOUT),
    "local": ("max-size", "max-file", "compress"),
    "syslog": ("syslog-address", "syslog-facility", "syslog-format", *ABOUT),
    "journald": ABOUT,
}
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
LOCAL_SOCKETS = ("/dev/log", "/var/run/syslog", "/var/run/log")
JOURNAL_SOCKET = "/run/systemd/journal/socket"
LOG_BYTES, LOG_FILES = 100 << 20, 5
BUFFER_BYTES = 1 << 20
MOST_BUFFER_BYTES = 64 << 20
TAG_FIELDS = ("ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "Command", "DaemonName")
DEFAULT_TAG = "{{.ID}}"
TAG_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
TRUE, FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


def check(asked: HostConfig) -> None:
    """Is there such a driver, and are its options what they should be? Raises InvalidRequest or NotSupported."""
    driver, options = asked.log_config.type or "json-file", asked.log_config.config or {}
    if driver in ABSENT:
        raise NotSupported(f"the log driver {driver} is not supported: there are {', '.join(DRIVERS)}")
    if driver not in DRIVERS:
        raise InvalidRequest(f'error looking up logging plugin {driver}: plugin "{driver}" not found')
    if driver == "none":
        return
    for name in options:
        if name.startswith("syslog-tls-") and driver == "syslog":
            raise NotSupported(f"the log option {name} is not supported: lines are sent without TLS")
        if name not in OPTIONS[driver] and name not in FOR_ALL:
            raise InvalidRequest(f"unknown log opt '{name}' for {driver} log driver")
    _check_values(driver, options)


def _check_values(driver: str, options: Mapping[str, str]) -> None:
    size(options.get("max-size", "-1"))
    if not options.get("max-file", "1").isdecimal() or int(options.get("max-file", "1")) < 1:
        raise InvalidRequest("max-file cannot be less than 1")
    if _truth(options, "compress") and options.get("max-file") == "1":
        raise InvalidRequest("compress cannot be true when max-file is less than 2 or unset")
    if options.get("mode", "blocking") not in ("blocking", "non-blocking"):
        raise InvalidRequest(f'logging mode "{options["mode"]}" not recognized')
    if "max-buffer-size" in options:
        if options.get("mode") != "non-blocking":
            raise InvalidRequest("logging max-buffer-size option is only supported with mode=non-blocking")
        if not 0 < size(options["max-buffer-size"]) <= MOST_BUFFER_BYTES:
            raise InvalidRequest(f"invalid value for max-buffer-size: {options['max-buffer-size']}")
    for name in ("labels-regex", "env-regex"):
        _pattern(options.get(name, ""))
    wanted = options.get("tag", "")
    if "{{" in TAG_FIELD.sub("", wanted) or not set(TAG_FIELD.findall(wanted)) <= set(TAG_FIELDS):
        raise InvalidRequest(f"invalid tag {wanted!r}: it may have the fields {', '.join(TAG_FIELDS)}")
    if driver == "syslog":
        _facility(options.get("syslog-facility", ""))
        if options.get("syslog-format", "") not in FORMATS:
            raise InvalidRequest("Invalid syslog format")
        _place(options.get("syslog-address", ""))


def size(text: str) -> int:
    """Bytes for `10m`, `1g`, …; -1 is without limit. Raises InvalidRequest."""
    match = re.fullmatch(r"(-1|[0-9]+(?:\.[0-9]+)?) ?([kmgt]?)(?:i?b)?", text.lower())
    if match is None:
        raise InvalidRequest(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


def options_of(container: Container, directory: Path) -> LogOptions:
    """How the shim keeps the output. Files rotate even when nobody said so: a log must not fill the disk."""
    asked = container.host.log_config
    if asked.type == "none":
        return LogOptions(directory="")
    words = asked.config or {}
    most = size(words["max-size"]) if words.get("max-size") else LOG_BYTES
    return LogOptions(
        directory=str(directory),
        max_size=most if most > 0 else LOG_BYTES,
        max_files=int(words["max-file"]) if words.get("max-file") else LOG_FILES,
        compress=_truth(words, "compress"),
        forward=destination(container, asked),
    )


def bytes_in(directory: Path) -> int:
    """What the log in `directory` takes on disk, rotated files included."""
    total = 0
    for path in directory.glob("log*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue  # rotated away meanwhile
    return total


def destination(container: Container, asked: LogConfig) -> Destination | None:
    """The log daemon that gets every line; None for drivers without one. Raises InvalidRequest if it is not there."""
    words = asked.config or {}
    buffer = size(words["max-buffer-size"]) if words.get("max-buffer-size") else BUFFER_BYTES
    if asked.type == "syslog":
        to = _syslog(container, words, buffer)
    elif asked.type == "journald":
        fields = _journal_fields(container, words)
        to = Destination(
            kind="journald", family="unix", stream=False, address=JOURNAL_SOCKET, buffer=buffer, fields=fields
        )
    else:
        return None
    try:
        connect(to).close()
    except OSError as error:
        where = to.address if to.family == "unix" else f"{to.address}:{to.port}"
        reason = (error.strerror or str(error)).lower()
        raise InvalidRequest(
            f"failed to create task for container: failed to initialize logging driver: dial {where}: {reason}"
        ) from None
    return to


def _syslog(container: Container, words: Mapping[str, str], buffer: int) -> Destination:
    scheme, address, port = _place(words.get("syslog-address", ""))
    if not address:
        address = next((path for path in LOCAL_SOCKETS if os.path.exists(path)), LOCAL_SOCKETS[0])
    elif scheme in ("udp", "tcp"):
        try:
            address = str(socket.getaddrinfo(address, port)[0][4][0])
        except OSError as error:
            raise InvalidRequest(f"failed to initialize logging driver: lookup {address}: {error.strerror}") from None
    return Destination(
        kind="syslog",
        family="inet" if scheme in ("udp", "tcp") else "unix",
        stream=scheme in ("tcp", "unix"),
        address=address,
        port=port,
        format=words.get("syslog-format", ""),
        facility=_facility(words.get("syslog-facility", "")),
        tag=tag(container, words),
        hostname=socket.gethostname(),
        buffer=buffer,
    )


def _place(text: str) -> tuple[str, str, int]:
    """(scheme, host or path, port); "" for the machine's own daemon. Raises InvalidRequest or NotSupported."""
    if not text:
        return "unixgram", "", 0
    parts = urlsplit(text)
    if parts.scheme == "tcp+tls":
        raise NotSupported("syslog-address=tcp+tls://… is not supported: lines are sent without TLS")
    if parts.scheme in ("unix", "unixgram"):
        if not parts.path.startswith("/"):
            raise InvalidRequest(f"invalid syslog-address {text!r}: a path is expected")
        return parts.scheme, parts.path, 0
    try:
        port = parts.port or 514
    except ValueError:
        port = 0
    if parts.scheme not in ("udp", "tcp") or not parts.hostname or not port:
        raise InvalidRequest(f"unsupported scheme: '{parts.scheme}'" if parts.hostname else f"invalid address {text!r}")
    return parts.scheme, parts.hostname, port


def _facility(text: str) -> int:
    if not text:
        return FACILITIES.index("daemon")
    if text in FACILITIES:
        return FACILITIES.index(text)
    if text.isdecimal() and int(text) < len(FACILITIES):
        return int(text)
    raise InvalidRequest("invalid syslog facility")


def _journal_fields(container: Container, words: Mapping[str, str]) -> dict[str, str]:
    named = tag(container, words)
    fields = {
        "CONTAINER_ID": container.id[:12],
        "CONTAINER_ID_FULL": container.id,
        "CONTAINER_NAME": container.name,
        "CONTAINER_TAG": named,
        "IMAGE_NAME": container.config.image,
        "SYSLOG_IDENTIFIER": named,
    }
    for name, value in attributes(container, {key: text for key, text in words.items() if key != "tag"}).items():
        fields[re.sub(r"[^A-Z0-9]", "_", name.upper()).lstrip("_") or "ATTRIBUTE"] = value
    return fields


def tag(container: Container, words: Mapping[str, str]) -> str:
    """What the container is called in other logs: the option `tag`, docker's template fields filled in."""
    values = {
        "ID": container.id[:12],
        "FullID": container.id,
        "Name": container.name,
        "ImageID": container.image_id.removeprefix("sha256:")[:12],
        "ImageFullID": container.image_id,
        "ImageName": container.config.image,
        "Command": " ".join(container.argv),
        "DaemonName": "sampan",
    }
    text = TAG_FIELD.sub(lambda match: values[match[1]], words.get("tag") or DEFAULT_TAG)
    return "".join(character if character.isprintable() else "_" for character in text)


def attributes(container: Container, words: Mapping[str, str]) -> dict[str, str]:
    """What `logs --details` says of each line: the labels and variables that the options name, and the tag if asked."""
    labels = container.config.labels or {}
    variables = dict(text.partition("=")[::2] for text in container.config.env or ())
    found: dict[str, str] = {}
    for option, values in (("labels", labels), ("env", variables)):
        names = set(words[option].split(",")) if words.get(option) else set()
        pattern = _pattern(words.get(f"{option}-regex", ""))
        found |= {name: value for name, value in values.items() if name in names or (pattern and pattern.search(name))}
    if words.get("tag"):
        found["tag"] = tag(container, words)
    return found


def details(container: Container) -> str:
    """`a=1,b=2`, as dockerd writes attributes before a line."""
    words = container.host.log_config.config or {}
    found = attributes(container, words)
    return ",".join(sorted(f"{quote_plus(name)}={quote_plus(value)}" for name, value in found.items()))


def _pattern(text: str) -> "re.Pattern[str] | None":
    if not text:
        return None
    # A repeated group may take time that grows exponentially with the name; no pattern for a name needs one.
    if len(text) > 256 or re.search(r"\)[*+{]", text):
        raise InvalidRequest(f"invalid pattern: {text[:256]}")
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidRequest(f"error parsing regexp: {error}") from None


def _truth(words: Mapping[str, str], name: str) -> bool:
    value = words.get(name) or "false"
    if value not in (*TRUE, *FALSE):
        raise InvalidRequest(f'strconv.ParseBool: parsing "{value}": invalid syntax')
    return value in TRUE
