"""Can this machine run the programs of another platform? What its kernel does by itself, and what binfmt_misc adds.

A handler serves containers only with the flag F: then its interpreter was opened when it was registered, and need not
be in the image (kernel, admin-guide/binfmt-misc.rst).
"""

from pathlib import Path

from sampan.errors import NotSupported
from sampan.oci.platform import Platform

HANDLERS = Path("/proc/sys/fs/binfmt_misc")
ENTRY_BYTES_MAX = 4096
# e_machine of elf(5), and the byte order in which it is written.
MACHINES = {
    "386": (3, "little"), "amd64": (62, "little"), "arm": (40, "little"), "arm64": (183, "little"),
    "loong64": (258, "little"), "mips64le": (8, "little"), "ppc64le": (21, "little"), "riscv64": (243, "little"),
    "s390x": (22, "big"),
}  # fmt: skip
NATIVE = {("amd64", "386"), ("arm64", "arm")}
MACHINE_AT = 18


def refuse_what_cannot_run(wanted: Platform, host: Platform, handlers: Path = HANDLERS) -> None:
    """Raises NotSupported, with what is missing, when programs for `wanted` do not run here."""
    if wanted.architecture == host.architecture or (host.architecture, wanted.architecture) in NATIVE:
        return
    asks = f"RUN for {wanted} on a machine that is {host}"
    advice = "or build this stage FROM --platform=$BUILDPLATFORM"
    try:
        names = sorted(path.name for path in handlers.iterdir())
    except OSError:
        names = []
    if "status" not in names:
        raise NotSupported(
            f"{asks}: binfmt_misc is not mounted at {handlers}: mount it, and register an emulator, {advice}"
        )
    if _first_line(handlers / "status") != "enabled":
        raise NotSupported(f"{asks}: binfmt_misc is switched off: write 1 to {handlers}/status, {advice}")
    flags = [found for name in names if (found := _flags_for(handlers / name, wanted.architecture)) is not None]
    if not flags:
        raise NotSupported(
            f"{asks}: no program that runs {wanted.architecture} is registered in {handlers}: "
            f"register an emulator (qemu-user-static), {advice}"
        )
    if not any("F" in each for each in flags):
        raise NotSupported(
            f"{asks}: the emulator in {handlers} has not the flag F, so containers do not find it: register it again "
            f"with F, {advice}"
        )


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(ENTRY_BYTES_MAX).decode(errors="replace").partition("\n")[0]
    except OSError:
        return ""


def _flags_for(path: Path, architecture: str) -> str | None:
    """The flags of a handler, if it is one for that architecture and is enabled."""
    if path.name in ("status", "register") or architecture not in MACHINES:
        return None
    try:
        with path.open("rb") as file:
            lines = file.read(ENTRY_BYTES_MAX).decode(errors="replace").splitlines()
    except OSError:
        return None
    facts = dict(line.partition(" ")[::2] for line in lines)
    if not lines or lines[0] != "enabled" or facts.get("offset") != "0":
        return None
    number, order = MACHINES[architecture]
    at = 2 * MACHINE_AT
    machine = number.to_bytes(2, "big" if order == "big" else "little").hex()
    return facts.get("flags:", "") if facts.get("magic", "")[at : at + 4] == machine else None
