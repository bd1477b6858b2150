"""Is it said what is missing to run another platform's programs?"""

from pathlib import Path

import pytest

from sampan.builder.foreign import refuse_what_cannot_run
from sampan.errors import NotSupported
from sampan.oci.platform import parse_platform

HOST = parse_platform("linux/amd64")
# As the kernel shows a handler: qemu-user-static's for arm64.
ARM64 = (
    "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: {flags}\noffset 0\n"
    "magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n"
)


def test_what_the_kernel_runs_by_itself_asks_for_nothing(tmp_path: Path) -> None:
    refuse_what_cannot_run(HOST, HOST, tmp_path)
    refuse_what_cannot_run(parse_platform("linux/386"), HOST, tmp_path)
    refuse_what_cannot_run(parse_platform("linux/arm/v7"), parse_platform("linux/arm64"), tmp_path)


def test_each_thing_that_is_missing_has_a_sentence(tmp_path: Path) -> None:
    arm64 = parse_platform("linux/arm64")
    with pytest.raises(NotSupported, match=r"RUN for linux/arm64 on .* linux/amd64: binfmt_misc is not mounted"):
        refuse_what_cannot_run(arm64, HOST, tmp_path / "none")
    status, handler = tmp_path / "status", tmp_path / "qemu-aarch64"
    status.write_text("disabled\n")
    with pytest.raises(NotSupported, match="switched off"):
        refuse_what_cannot_run(arm64, HOST, tmp_path)
    status.write_text("enabled\n")
    for text in (None, ARM64.format(flags="F").replace("enabled", "disabled"), "", "enabled\n"):
        if text is not None:
            handler.write_text(text)
        with pytest.raises(NotSupported, match="no program that runs arm64 is registered"):
            refuse_what_cannot_run(arm64, HOST, tmp_path)
    handler.write_text(ARM64.format(flags="OC"))
    with pytest.raises(NotSupported, match="has not the flag F"):
        refuse_what_cannot_run(arm64, HOST, tmp_path)
    handler.write_text(ARM64.format(flags="OCF"))
    refuse_what_cannot_run(arm64, HOST, tmp_path)
    with pytest.raises(NotSupported, match="no program that runs s390x"):
        refuse_what_cannot_run(parse_platform("linux/s390x"), HOST, tmp_path)
