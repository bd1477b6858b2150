"""Does a command of another OCI runtime that fails, hangs or is not there end with a reason?"""

from pathlib import Path

import pytest

from kernel.namespaced import alone
from sampan.runtime.oci_program import begin
from sampan.runtime.status import StartFailed

SAYS = """echo '{"level":"error","msg":"in its words"}' > LOG; exit 1"""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["/bin/sh", "-c", SAYS], "in its words"),
        (["/bin/sh", "-c", "exit 3"], "/bin/sh ended with 3 and without a reason"),
        (["/bin/sleep", "1000"], "/bin/sleep took more than 1 seconds"),
        (["/nonexistent"], "fork/exec /nonexistent: no such file or directory"),
        (["/bin/true"], ""),
    ],
)
def test_the_reason(tmp_path: Path, words: list[str], reason: str) -> None:
    log = str(tmp_path / "log")

    def parent() -> int:
        try:
            begin([word.replace("LOG", log) for word in words], log, {"PATH": "/bin:/usr/bin"}).wait(1)
        except StartFailed as error:
            return 0 if str(error) == reason else 1
        return 0 if not reason else 2

    assert alone(parent) == 0
    assert not Path(log).exists()
