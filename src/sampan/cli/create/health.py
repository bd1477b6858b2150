"""How is the container's health to be checked, if the command line says?"""

from __future__ import annotations

from sampan.cli.command import Failure
from sampan.cli.flags import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIELDS = {
    "health-interval": "Interval",
    "health-timeout": "Timeout",
    "health-start-period": "StartPeriod",
    "health-start-interval": "StartInterval",
    "health-retries": "Retries",
}


def health_check(options: Options) -> dict[str, Any]:
    """Healthcheck, empty when nothing is set; durations in nanoseconds. Raises Failure."""
    for flag in FIELDS:
        if options[flag] < 0:
            raise Failure(f"--{flag} cannot be negative", 125)
    check: dict[str, Any] = {field: options[flag] for flag, field in FIELDS.items() if options[flag]}
    if options["health-cmd"]:
        check["Test"] = ["CMD-SHELL", options["health-cmd"]]
    if not options["no-healthcheck"]:
        return check
    if check:
        raise Failure("--no-healthcheck conflicts with --health-* options", 125)
    return {"Test": ["NONE"]}
