"""COPY, ADD and WORKDIR: from a placement to a layer, unless the cache has it."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial

from sampan.builder.build import Build, Position
from sampan.builder.cache import Hit, key_of
from sampan.builder.dockerfile.instructions import Add, Copy, Transfer, Workdir
from sampan.builder.layer import layer_bytes
from sampan.builder.operations import workdir as working
from sampan.builder.operations.downloads import download
from sampan.builder.operations.transfer import Source, Words, place, words_of
from sampan.builder.place import Placement
from sampan.builder.select import Selected
from sampan.builder.sources import layers_of
from sampan.builder.state import State
from sampan.builder.tree import Tree
from sampan.errors import InvalidRequest
from sampan.images.moment import unix_ns
from sampan.layers.stream import Pieces
from sampan.layers.tar import Member


async def transfer(build: Build, state: State, at: Position, instruction: Transfer) -> None:
    """COPY or ADD."""
    words = words_of(state, instruction)
    remote: Sequence[tuple[bytes, Pieces]] = ()
    if isinstance(instruction, Add):
        remote = await download(build, instruction, words)
    diff_ids: Sequence[str] | None = None
    if isinstance(instruction, Copy) and instruction.from_:
        diff_ids = await layers_of(build, state.expand(instruction.from_, instruction), at)
    hit, is_cached = await build.in_thread(partial(_transfer, build, state, at, instruction, words, diff_ids, remote))
    await _done(build, state, at, hit, is_cached, _told(instruction, words))


def _transfer(
    build: Build,
    state: State,
    at: Position,
    instruction: Transfer,
    words: Words,
    diff_ids: Sequence[str] | None,
    remote: Sequence[tuple[bytes, Pieces]],
) -> tuple[Hit, bool]:
    with ExitStack() as held:
        base = held.enter_context(build.tree(state.diff_ids))
        source: Source | None = None
        if diff_ids is not None:
            source = Source(held.enter_context(build.tree(list(diff_ids))), keep_owner=True)
        elif words.sources:
            if build.context is None:
                raise InvalidRequest(f"{instruction.node.keyword} failed: no build context was sent")
            source = Source(held.enter_context(build.context.open()))

        def open_archive(stream: Pieces) -> Tree:
            return held.enter_context(closing(build.workspace.keep(stream).open()))

        unpacks = isinstance(instruction, Add) and bool(instruction.unpack)
        downloaded = [(tree := open_archive(tar), _only(tree, name), unpacks and bool(name)) for name, tar in remote]
        placement = place(instruction, words, base, source, downloaded, open_archive)
        return _layer_of(build, state, at, placement)


def _only(tree: Tree, name: bytes) -> Selected:
    """What was downloaded: a file, or with no name the whole tree."""
    if not name:
        return Selected(b"", tree.root, b"")
    entry = tree.child(tree.root, name)
    assert entry is not None, "it was put there a moment ago"
    return Selected(name, entry, name)


async def workdir(build: Build, state: State, at: Position, instruction: Workdir) -> None:
    """WORKDIR."""
    path = working.resolved(state, instruction)
    made = await build.in_thread(partial(_workdir, build, state, at, path))
    state.config["WorkingDir"] = path
    if made is None:
        state.note(f"WORKDIR {path}", created=_last_moment(build, state))
        return
    await _done(build, state, at, *made, f"WORKDIR {path}")


def _workdir(build: Build, state: State, at: Position, path: str) -> tuple[Hit, bool] | None:
    with build.tree(state.diff_ids) as tree:
        placement = working.place(state, path, tree)
        return None if placement is None else _layer_of(build, state, at, placement)


def _layer_of(build: Build, state: State, at: Position, placement: Placement) -> tuple[Hit, bool]:
    """The layer, written only if no cache has it. The placement says all about it, so its digest is the key."""
    key = key_of("place", placement.digest(), build.epoch_ns)
    if build.uses_cache(at.stage_name):
        hit = build.find(key)
        if hit is not None:
            return hit, True
    otherwise = unix_ns(state.created) if state.created else 0
    told: list[Member] = []
    pieces = layer_bytes(placement, otherwise_ns=max(otherwise, 0), epoch_ns=build.epoch_ns, told=told)
    diff_id = build.ingest(pieces, told)
    hit = build.note(key, diff_id, f"{at.stage_name}: {at.description}")
    build.used_keys.append(key)
    return hit, False


async def _done(build: Build, state: State, at: Position, hit: Hit, is_cached: bool, told: str) -> None:
    if is_cached:
        await build.report.line(at.stage, " ---> Using cache")
        await build.report.event("cached", step=at.step, stage=at.stage)
    state.add_layer(hit.diff_id)
    state.note(told, created=build.moment(hit.created_ns), is_layer=True)


def _last_moment(build: Build, state: State) -> str:
    known = next((str(entry["created"]) for entry in reversed(state.history) if entry.get("created")), "")
    return build.moment(0) if build.epoch_ns is not None or not known else known


def _told(instruction: Transfer, words: Words) -> str:
    """BuildKit's words: `COPY --chown=a . /app`."""
    flags = [f"--{name}={value}" for name, value in (("chown", words.chown), ("chmod", words.chmod)) if value]
    sources = [
        *words.sources,
        *words.remote,
        *(f"<<{content.name.decode(errors='replace')}" for content in words.contents),
    ]
    return " ".join([instruction.node.keyword, *flags, *sources, words.target])
