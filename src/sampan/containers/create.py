"""How is a container made?

By writing one row: nothing in the kernel and no directory is touched before the first start, so a create that is cut
short leaves nothing behind. The request is judged first, by `verify.py` and `defaults.py`.
"""

import asyncio
import time
from collections.abc import Mapping

from msgspec.structs import replace

from sampan.containers import defaults, links, modes, names, networking, verify, volumes
from sampan.containers.engine import Engine
from sampan.containers.model import Container
from sampan.errors import InvalidRequest, NotFound
from sampan.images.image import Image
from sampan.networks import mode as network_mode
from sampan.networks.mode import Mode
from sampan.oci.platform import parse_platform, satisfies
from sampan.wire.containers import ContainerCreate, EndpointSettings, HostConfig


async def create(engine: Engine, name: str | None, request: ContainerCreate, platform: str) -> tuple[str, list[str]]:
    """Make a container; returns its id and warnings. Nothing is kept when it raises, and it is safe when it returns."""
    network, networks = _networks(engine, request)
    asked, warnings = verify.settle(
        request.config, request.host_config, network, host=engine.host, options=engine.options
    )
    asked = links.settled(engine, _with_ids(engine, asked), network)
    image = await asyncio.to_thread(engine.images.find, request.config.image) if request.config.image else None
    if image is not None:
        check_platform(image, request.config.image, platform)
        config = defaults.with_image(request.config, image.config.run)
    else:
        config = defaults.with_command(request.config)
    container_id = names.new_id()
    diff_ids = tuple(image.diff_ids) if image else ()
    with engine.rows.reserved(name, container_id) as chosen:
        points = await volumes.settle(engine, container_id, config, asked, diff_ids)
        container = Container(
            id=container_id,
            name=chosen,
            created_ns=time.time_ns(),
            image_id=image.id if image else "",
            diff_ids=diff_ids,
            config=defaults.with_names(config, network, container_id=container_id, host=engine.host),
            host=defaults.with_daemons(asked, network, host=engine.host, options=engine.options),
            networks=networks,
            mounts=points,
        )
        try:
            await engine.rows.add(container)
        except BaseException:
            await volumes.let_go(engine, container_id, points, anonymous=True)
            raise
    await _check_image_is_still_there(engine, container)
    engine.publish(container, "create")
    return container_id, warnings


async def _check_image_is_still_there(engine: Engine, container: Container) -> None:
    """Who removes an image asks first which containers use it: one of the two sees the other. Raises NotFound."""
    if container.image_id and engine.images.by_id(container.image_id) is None:
        await engine.rows.discard(container)
        await volumes.let_go(engine, container.id, volumes.points_of(container), anonymous=True)
        raise NotFound(f"No such image: {container.config.image}")


def _networks(engine: Engine, request: ContainerCreate) -> tuple[Mode, dict[str, EndpointSettings]]:
    """The network mode and the networks to join, after a look at whether they can grant what is asked of them."""
    if request.config.network_disabled:
        return Mode(network="none"), {"none": EndpointSettings()}
    network = network_mode.parse(request.host_config.network_mode, engine.networks.default)
    endpoints = request.networking_config.endpoints_config or {}
    found: dict[str, EndpointSettings] = {}
    known = []
    for reference, settings in networking.settings_of(network, endpoints).items():
        try:
            joins = engine.networks.find(reference)
        except NotFound:
            # As with dockerd it need be there only when the container starts. (A client that hears 404 pulls.)
            found[reference] = settings
            continue
        found[joins.name] = settings
        known.append(joins)
    if len(found) > 1 and not all(engine.networks.driver(joins).has_addresses for joins in known):
        raise InvalidRequest(f"Container cannot be connected to network endpoints: {', '.join(found)}")
    wished = Container(
        id="", name="", created_ns=0, image_id="", diff_ids=(), config=request.config, host=request.host_config
    )
    for joins in known:
        engine.networks.check(joins.name, networking.wishes(wished, found[joins.name]))
    return network, found


def _with_ids(engine: Engine, asked: HostConfig) -> HostConfig:
    """`container:NAME` with the id in place of the name, so that a rename does not matter later."""
    found: Mapping[str, str] = {
        field: modes.container_of(getattr(asked, field))
        for field in ("pid_mode", "ipc_mode", "network_mode")
        if modes.container_of(getattr(asked, field))
    }
    for field, reference in found.items():
        try:
            asked = replace(asked, **{field: modes.CONTAINER + engine.rows.find(reference).id})
        except NotFound as error:
            # dockerd looks for a network's owner only at the start.
            if field != "network_mode":
                raise InvalidRequest(str(error)) from None
    return asked


def check_platform(image: Image, reference: str, wanted: str) -> None:
    """Raises NotFound when the image is for another platform than the one asked for."""
    if not wanted:
        return
    asked, actual = parse_platform(wanted), image.config.platform
    if not satisfies(actual, asked):
        raise NotFound(
            f"image with reference {reference} was found but does not match the specified platform: "
            f"wanted {asked}, actual: {actual}"
        )
