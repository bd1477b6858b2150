"""What is a command of `sampan runtime`, and what does it get when it is called?"""

from collections.abc import Callable
from dataclasses import dataclass

from sampan.cli.flags import Flag, Options
from sampan.cli.runtime.record import Store
from sampan.cli.runtime.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a command: `store` is what `--root` names, `report` takes warnings."""

    name: str
    options: Options
    arguments: list[str]
    store: Store
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`run` returns the exit code and raises SampanError, which ends the program with `failed`.

    `least`, `most`: how many arguments it takes. `interspersed`: flags may follow the first argument. `sealed`: it
    enters containers, so its interpreter must be out of their reach. `prefix`: what comes before an error's sentence.
    """

    usage: str
    run: Callable[[Call], int]
    flags: tuple[Flag, ...] = ()
    least: int = 1
    most: int = 1
    interspersed: bool = True
    sealed: bool = False
    failed: int = 1
    prefix: str = ""

    def complaint(self, name: str, count: int) -> str:
        """What is wrong with this number of arguments, in runc's words; "" if nothing is."""
        if self.least == self.most != count:
            return f'"{name}" requires exactly {self.least} argument(s)'
        if count < self.least:
            return f'"{name}" requires a minimum of {self.least} argument(s)'
        if count > self.most:
            return f'"{name}" requires a maximum of {self.most} argument(s)'
        return ""
