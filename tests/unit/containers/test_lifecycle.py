"""Do containers obey the lifecycle table, whatever is done to them, in whatever order?"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tests.unit.containers.conftest import World, request, settle

from sampan.containers.lifecycle import REFUSALS, TRANSITIONS, Act, Status, after, allows
from sampan.errors import Conflict, NotFound


def test_every_status_has_a_row() -> None:
    assert set(TRANSITIONS) == set(Status)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("act", Act)
def test_what_is_not_in_the_table_is_refused_in_dockerds_words(status: Status, act: Act) -> None:
    if allows(status, act):
        assert after(status, act) is TRANSITIONS[status][act]
        assert (status, act) not in REFUSALS, "a sentence that nobody can ever read"
    else:
        with pytest.raises(Conflict, match=r"\w"):
            after(status, act, id="f" * 64, name="x")


class Life(RuleBasedStateMachine):
    """Containers against a dict of statuses that follows the table alone; the daemon is killed now and then."""

    containers = Bundle("containers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.world = World(Path(self.directory.name))
        self.daemon = self.loop.run_until_complete(self._begin())
        self.model: dict[str, Status] = {}
        self.with_rm: set[str] = set()
        self.count = 0

    def teardown(self) -> None:
        self.loop.run_until_complete(self.daemon.close())
        for database in self.world.databases:
            database.close()
        self.loop.close()
        self.directory.cleanup()

    async def _begin(self) -> Any:
        daemon = self.world.daemon()
        await daemon.recover()
        return daemon

    def do(self, container_id: str, act: Act | None, work: Any) -> None:
        """Do it, and expect what the table says; None stands for what is never refused."""
        known = self.model.get(container_id)
        try:
            self.loop.run_until_complete(work)
        except NotFound:
            assert known is None
        except Conflict:
            assert known is not None and act is not None
            assert not allows(known, act)
        else:
            assert known is not None
            if act is not None and not (act is Act.START and known is Status.RUNNING):
                self.model[container_id] = after(known, act)
        self.loop.run_until_complete(settle(self.daemon))

    def ended(self, container_id: str) -> None:
        if container_id in self.model:
            self.model[container_id] = Status.EXITED
            if container_id in self.with_rm:
                del self.model[container_id]

    @rule(target=containers, with_rm=st.booleans())
    def create(self, with_rm: bool) -> str:
        self.count += 1
        work = self.daemon.create(f"c{self.count}", request({"AutoRemove": with_rm}))
        container_id: str = self.loop.run_until_complete(work)[0]
        self.model[container_id] = Status.CREATED
        if with_rm:
            self.with_rm.add(container_id)
        return container_id

    @rule(container_id=containers)
    def start(self, container_id: str) -> None:
        self.do(container_id, Act.START, self.daemon.start(container_id))

    @rule(container_id=containers)
    def pause(self, container_id: str) -> None:
        self.do(container_id, Act.PAUSE, self.daemon.pause(container_id))

    @rule(container_id=containers)
    def unpause(self, container_id: str) -> None:
        self.do(container_id, Act.UNPAUSE, self.daemon.unpause(container_id))

    @rule(container_id=containers)
    def stop(self, container_id: str) -> None:
        was_running = self.model.get(container_id) in (Status.RUNNING, Status.PAUSED)
        self.do(container_id, None, self.daemon.stop(container_id))
        if was_running:
            self.ended(container_id)

    @rule(container_id=containers)
    def kill(self, container_id: str) -> None:
        known = self.model.get(container_id)
        is_legal = known is not None and allows(known, Act.SIGNAL)
        self.do(container_id, Act.SIGNAL, self.daemon.kill(container_id))
        if is_legal:
            self.ended(container_id)

    @rule(container_id=containers, code=st.integers(0, 255))
    def die(self, container_id: str, code: int) -> None:
        if self.model.get(container_id) in (Status.RUNNING, Status.PAUSED):
            self.world.runtime.shims[container_id].end(code)
            self.loop.run_until_complete(settle(self.daemon))
            self.ended(container_id)

    @rule(container_id=containers)
    def remove(self, container_id: str) -> None:
        self.do(container_id, Act.REMOVE, self.daemon.remove(container_id))
        if self.model.get(container_id) is Status.REMOVING:
            del self.model[container_id]

    @rule(container_id=consumes(containers))
    def remove_by_force(self, container_id: str) -> None:
        self.do(container_id, None, self.daemon.remove(container_id, force=True))
        self.model.pop(container_id, None)

    @rule()
    def kill_the_daemon(self) -> None:
        self.loop.run_until_complete(self.daemon.close())
        self.daemon = self.loop.run_until_complete(self._begin())

    @invariant()
    def the_daemon_and_the_table_agree(self) -> None:
        found = {each["Id"]: each["State"] for each in self.daemon.list(all=True)}
        assert found == {container_id: status.value for container_id, status in self.model.items()}

    @invariant()
    def only_what_runs_has_a_shim(self) -> None:
        running = {key for key, status in self.model.items() if status in (Status.RUNNING, Status.PAUSED)}
        assert set(self.world.runtime.shims) == running


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
