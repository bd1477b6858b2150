"""How is a plan carried out?

Each needed stage is a task; it waits for what it stands on and for the stages that it copies from, and for nothing
else.
So stages that do not depend on each other run at the same time. The first failure, or the client's leaving, cancels
all.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence

from sampan.builder.build import Build, Position
from sampan.builder.configure import configure, is_config
from sampan.builder.dockerfile.errors import located, with_excerpt
from sampan.builder.dockerfile.instructions import Expose, Instruction, Run, Transfer, Workdir
from sampan.builder.dockerfile.stages import Stage, parse_triggers
from sampan.builder.graph import Plan
from sampan.builder.operations.copying import transfer, workdir
from sampan.builder.operations.run import run
from sampan.builder.sources import context_state, image_of
from sampan.builder.state import PATH, PROXIES, State
from sampan.errors import InvalidRequest, NotFound
from sampan.images.image import Image
from sampan.oci.platform import parse_platform

NOT_INHERITED = ("Hostname", "Image", "Domainname", "Env")


class Solver:
    """One build's stages on their way."""

    def __init__(self, build: Build, plan: Plan, variables: Mapping[str, str]) -> None:
        self._build = build
        self._plan = plan
        self._variables = variables
        self._tasks: dict[int, asyncio.Task[State]] = {}
        self._order = list(plan.needed)

    def find(self, name: str) -> int | None:
        """The index of the stage of that name or number."""
        stage = self._plan.dockerfile.stage(name)
        return stage.index if stage else None

    async def result(self, index: int) -> State:
        """What a stage ends with; it is built if it was not needed before."""
        return await asyncio.shield(self._task(index))

    async def solve(self) -> State:
        """Build the target. Raises what the first step that failed raised, when all others have stopped."""
        build = self._build
        build.stages = self
        build.report.expect(self._order)
        tasks = [self._task(index) for index in self._order]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            failed = next((task for task in tasks if task in done and task.exception()), None)
            if failed is not None:
                failed.result()
            return self._tasks[self._plan.target.index].result()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        left = [task for task in (*self._tasks.values(), *self._build.images.values()) if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for task in self._tasks.values():
            if task.done() and not task.cancelled():
                task.exception()

    def _task(self, index: int) -> "asyncio.Task[State]":
        task = self._tasks.get(index)
        if task is None:
            task = asyncio.create_task(self._stage(index), name=f"build stage {index}")
            self._tasks[index] = task
        return task

    async def _stage(self, index: int) -> State:
        stage = self._plan.dockerfile.stages[index]
        number = self._plan.first_step(index) if index in self._plan.needed else 0
        await self._announce(index, number, stage.start)
        try:
            state, triggers = await self._base(stage)
            await self._report_state(index, state)
            await self._build.report.event("done", step=f"{index}.{number}", stage=index, layers=len(state.diff_ids))
            if triggers:
                plural = "" if len(triggers) == 1 else "s"
                await self._build.report.line(index, f"# Executing {len(triggers)} build trigger{plural}")
            for trigger in triggers:
                await self._step(state, stage, trigger, f"{index}.onbuild")
            for step in stage.steps:
                number += 1
                await self._announce(index, number, step)
                await self._step(state, stage, step, f"{index}.{number}")
        except (InvalidRequest, NotFound) as error:
            raise self._placed(error, stage.start) from None
        self._build.used_arguments.update(state.declared)
        await self._build.report.finished(index)
        return state

    async def _announce(self, index: int, number: int, instruction: Instruction) -> None:
        text = instruction.node.original
        total = self._plan.steps
        await self._build.report.line(index, f"Step {number}/{total} : {text}")
        await self._build.report.event(
            "step", step=f"{index}.{number}", stage=index, name=text, number=number, total=total,
            stage_name=self._plan.dockerfile.stages[index].name,
        )  # fmt: skip

    async def _step(self, state: State, stage: Stage, instruction: Instruction, step: str) -> None:
        build = self._build
        at = Position(
            stage=stage.index, stage_name=stage.name, instruction=instruction, step=step,
            description=instruction.node.original,
        )  # fmt: skip
        before = len(state.diff_ids)
        try:
            if is_config(instruction):
                told = await self._configure(state, instruction)
                if told is not None:
                    state.note(told, created=self._config_moment(state))
                seen = build.services.flights.seen(f"{state.mark} {told}")
                if seen and build.uses_cache(stage.name):
                    await build.report.line(stage.index, " ---> Using cache")
            elif isinstance(instruction, Run):
                await run(build, state, at, instruction)
            elif isinstance(instruction, Transfer):
                await transfer(build, state, at, instruction)
            elif isinstance(instruction, Workdir):
                await workdir(build, state, at, instruction)
        except (InvalidRequest, NotFound) as error:
            raise self._placed(error, instruction) from None
        await self._report_state(stage.index, state)
        await build.report.event("done", step=step, stage=stage.index, layers=len(state.diff_ids) - before)

    async def _configure(self, state: State, instruction: Instruction) -> str | None:
        given = self._build.request.arguments
        if isinstance(instruction, Expose):  # a range is tens of thousands of ports
            return await asyncio.to_thread(configure, state, instruction, given)
        return configure(state, instruction, given)

    def _config_moment(self, state: State) -> str:
        """Instructions without a layer happen when the layer below was made: so a cached build gives the same image."""
        if self._build.epoch_ns is not None:
            return self._build.moment(0)
        return next((str(entry["created"]) for entry in reversed(state.history) if entry.get("created")), "") or (
            self._build.moment(self._build.started_ns)
        )

    async def _report_state(self, index: int, state: State) -> None:
        await self._build.report.line(index, f" ---> {state.mark[:12]}")

    async def _base(self, stage: Stage) -> tuple[State, Sequence[Instruction]]:
        base = self._plan.bases.get(stage.index)
        build = self._build
        if base is None:
            raise InvalidRequest(f"stage {stage.name} is not part of this build")
        if base.stage is not None:
            state = (await self.result(base.stage)).fork()
        elif base.image in build.named:
            state = await context_state(build, base.image, build.request.platform or build.platform)
        elif base.image:
            image = await image_of(build, base.image, base.platform)
            state = state_of(image, build)
        else:
            wanted = parse_platform(base.platform) if base.platform else None
            platform = wanted or build.request.platform or build.platform
            state = State(platform=platform, config={"WorkingDir": "/"}, env={"PATH": PATH}, mark="scratch")
        triggers: Sequence[str] = state.config.pop("OnBuild", None) or ()
        state.globals = self._variables
        state.proxies = {name: value for name in PROXIES if (value := build.request.arguments.get(name)) is not None}
        return state, parse_triggers(triggers, base.image or stage.start.image) if triggers else ()

    def _placed(self, error: InvalidRequest | NotFound, instruction: Instruction) -> Exception:
        """The error with the place in the Dockerfile where it arose; its kind stays."""
        if isinstance(error, NotFound):
            return error
        node = instruction.node
        placed = located(error, node.line, node.end_line, node.column)
        return (
            placed
            if placed is error
            else with_excerpt(
                type(placed)(str(error), line=node.line, end_line=node.end_line, column=node.column),
                self._plan.dockerfile.text,
            )
        )


def state_of(image: Image, build: Build) -> State:
    """A stage that begins with an image."""
    document = json.loads(image.config.data)
    config = document.get("config") or {}
    return State(
        platform=image.config.platform,
        config={name: value for name, value in config.items() if name not in NOT_INHERITED},
        env=dict(item.partition("=")[::2] for item in config.get("Env") or ()),
        mark=image.id.partition(":")[2],
        author=image.config.author,
        created=image.config.created,
        diff_ids=list(image.diff_ids),
        history=[dict(entry) for entry in document.get("history") or ()],
        base_layers=len(image.diff_ids),
    )
