"""Is a container frozen while an image is made of it, and never longer?"""

from pathlib import Path

import pytest
from tests.unit.containers.conftest import World, request, run

from sampan.containers.commit import Wish
from sampan.errors import InvalidRequest, NotFound
from sampan.images.commit import Step
from sampan.images.image import Image
from sampan.oci.reference import Reference, parse_reference


class Made:
    """Stands in for the images: notes what it was given, and whether the container was frozen then."""

    def __init__(self, world: World, error: Exception | None = None) -> None:
        self.world = world
        self.error = error
        self.calls: list[tuple[str, Path | None, Step, Reference | None, bool]] = []

    def __call__(self, parent: str, upper: Path | None, step: Step, reference: Reference | None) -> Image:
        frozen = any(shim.frozen for shim in self.world.runtime.shims.values())
        self.calls.append((parent, upper, step, reference, frozen))
        if self.error:
            raise self.error
        return self.world.images.images["web"]


@pytest.mark.parametrize("pause", [True, False])
def test_a_running_container_is_frozen_if_that_is_wanted(world: World, pause: bool) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request(Labels={"x": "y"}))
        await containers.start("one")
        made = Made(world)
        wish = Wish(reference=parse_reference("new"), comment="why", changes=["ENV A=b"], pause=pause)
        assert await containers.commit("one", wish, made) == world.images.images["web"].id
        [(parent, upper, step, reference, frozen)] = made.calls
        assert frozen is pause
        assert not any(shim.frozen for shim in world.runtime.shims.values())
        assert parent == world.images.images["busybox"].id
        assert upper is not None
        assert (step.created_by, step.comment, str(reference)) == ("sleep 100", "why", "docker.io/library/new")
        assert step.config["Env"] == ["A=b", "PATH=/bin"] or step.config["Env"] == ["PATH=/bin", "A=b"]
        assert step.config["Labels"] == {"x": "y"}
        wanted = ["pause", "commit", "unpause"] if pause else ["commit"]
        assert world.actions()[-len(wanted) :] == wanted

    run(story)


def test_a_failure_thaws_the_container(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        await containers.start("one")
        with pytest.raises(InvalidRequest, match="no room"):
            await containers.commit("one", Wish(), Made(world, InvalidRequest("no room")))
        assert not any(shim.frozen for shim in world.runtime.shims.values())
        assert world.actions()[-2:] == ["pause", "unpause"]

    run(story)


def test_a_daemon_that_starts_again_thaws_what_a_commit_had_frozen(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        for name in ("cut", "meant"):
            await containers.create(name, request())
            await containers.start(name)
        await containers.pause("meant")
        cut, meant = (world.runtime.shims[containers.inspect(name)["Id"]] for name in ("cut", "meant"))
        await cut.pause()
        again = world.daemon()
        await again.recover()
        assert (cut.frozen, meant.frozen) == (False, True)

    run(story)


def test_what_never_ran_has_no_tree(world: World) -> None:
    async def story() -> None:
        containers = world.daemon()
        await containers.create("one", request())
        made = Made(world)
        await containers.commit("one", Wish(), made)
        assert made.calls[0][1] is None
        with pytest.raises(NotFound):
            await containers.commit("none", Wish(), made)
        with pytest.raises(InvalidRequest, match="not a valid change command"):
            await containers.commit("one", Wish(changes=["RUN x"]), made)

    run(story)
