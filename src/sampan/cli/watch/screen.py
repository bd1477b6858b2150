"""What happens in the live view: look at the engine, draw, wait for a key, do what it asks?"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import suppress

from rich.console import Console
from rich.live import Live

from sampan.cli.command import Call, Command, Failure
from sampan.cli.commands import exec as executing
from sampan.cli.commands import logs as logging
from sampan.cli.commands.stats import sample_all
from sampan.cli.flags import parse
from sampan.cli.watch import keys
from sampan.cli.watch.model import Line, Model
from sampan.cli.watch.view import render
from sampan.client.engine import Engine, named
from sampan.errors import SampanError
from sampan.wire.stdcopy import Decoder

PERIOD_SECONDS = 1.0
LOG_LINES = 40
PAGE = 10
SHELL = ("sh",)


def run(call: Call) -> int:
    """Show it until q or ctrl-c. Raises Failure where there is no terminal."""
    if not (call.out.is_terminal and sys.stdin.isatty()):
        raise Failure("the live view needs a terminal: use `sampan stats`, or `sampan top CONTAINER`")
    View(call).run()
    return 0


class View:
    """One live view."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._model = Model()
        self._engines: dict[str, Engine] = {}
        self._live = Live(console=Console(file=sys.stdout), screen=True, auto_refresh=False)
        self._due = 0.0

    def run(self) -> None:
        """The loop."""
        self._look()
        with keys.one_by_one(sys.stdin.fileno()), suppress(KeyboardInterrupt), self._live:
            while True:
                self._draw()
                key = keys.read(sys.stdin.fileno(), self._due - time.monotonic())
                if key == "q":
                    return
                if key:
                    self._press(key)
                if time.monotonic() >= self._due:
                    self._look()

    def _draw(self) -> None:
        self._live.update(render(self._model, shutil.get_terminal_size().lines), refresh=True)

    def _look(self) -> None:
        """Ask the engine again; what it cannot say now is said in the view."""
        self._due = time.monotonic() + PERIOD_SECONDS
        model = self._model
        try:
            listed = self._call.engine.get("/containers/json", {"all": "1"} if model.all else {})
            running = [each["Id"] for each in listed if each["State"] in ("running", "paused")]
            samples = sample_all(self._call.engine, self._engines, running, {"stream": "0", "one-shot": "1"})
            model.feed(listed, samples, time.monotonic())
            model.log = self._last_lines(model.selected) if model.selected else []
        except (SampanError, OSError) as error:
            model.message = str(error)

    def _last_lines(self, line: Line) -> list[str]:
        query: dict[str, str | list[str]] = {"stdout": "1", "stderr": "1", "tail": str(LOG_LINES)}
        try:
            response = self._call.engine.send("GET", named("containers", line.id, "logs"), query)
            data = response.read()
        except SampanError as error:
            return [str(error)]
        framed = "multiplexed" in response.head.fields.get("content-type", "")
        if framed:
            data = b"".join(payload for _, payload in Decoder().feed(data))
        return data.decode("utf-8", "replace").splitlines()

    def _press(self, key: str) -> None:
        model, line = self._model, self._model.selected
        model.message = ""
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -PAGE, "page down": PAGE}
        if key in steps:
            model.move(steps[key])
            self._due = 0.0
        elif key == "o":
            model.next_order()
        elif key == "a":
            model.all = not model.all
            self._due = 0.0
        elif line is not None and key in VERBS:
            self._ask(line, VERBS[key])
        elif line is not None and key == "p":
            self._ask(line, "unpause" if line.state == "paused" else "pause")
        elif line is not None and key == "e":
            self._away(executing.COMMAND, ["-it", line.id, *SHELL], "exec")
        elif line is not None and key == "f":
            self._away(logging.COMMAND, ["-f", "-n", "100", line.id], "logs")

    def _ask(self, line: Line, verb: str) -> None:
        """Have the engine do something that may take a while; the view goes on."""
        model = self._model
        model.message = f"{verb} {line.name} …"

        def do() -> None:
            try:
                self._call.engine.beside().post(named("containers", line.id, verb))
                model.message = f"{verb} {line.name}: done"
            except (SampanError, OSError) as error:
                model.message = str(error)
            self._due = 0.0

        threading.Thread(target=do, daemon=True).start()

    def _away(self, command: Command, words: list[str], name: str) -> None:
        """Give the terminal to another command, and take it back when that has ended."""
        options, arguments = parse(command.flags, words, interspersed=command.interspersed)
        self._live.stop()
        engine = self._call.engine.beside()
        one = Call(
            program=self._call.program,
            name=name,
            options=options,
            arguments=arguments,
            out=self._call.out,
            err=self._call.err,
            config_directory=self._call.config_directory,
            open_engine=lambda: engine,
        )
        try:
            command.run(one)
        except (SampanError, Failure) as error:
            self._model.message = str(error)
        except KeyboardInterrupt:
            pass  # that is how following a log ends
        finally:
            self._call.out.flush()
            self._live.start()
            self._due = 0.0


VERBS = {"s": "stop", "t": "start", "r": "restart"}
