"""COPY and ADD: files from the context, a stage, an image, an archive or the net become a layer.

Pure but for reading: what comes out is a `Placement`, which `layer` writes when no cache has it.
"""

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sampan.builder.dockerfile.instructions import Add, Copy, Instruction, Transfer
from sampan.builder.dockerfile.lexer import Heredoc
from sampan.builder.owner import ROOT, check_chmod, find_owner
from sampan.builder.place import Content, Placement
from sampan.builder.select import Selected, select
from sampan.builder.state import State
from sampan.builder.tree import Tree
from sampan.errors import InvalidRequest, NotFound
from sampan.images.words import expanded
from sampan.layers.compression import open_decompressed
from sampan.layers.header import BLOCK, ZERO_BLOCK, BadLayer, verify_checksum
from sampan.layers.stream import Pieces, Stream
from sampan.layers.tar import Kind
from sampan.wire.patterns import Ignore

OpenArchive = Callable[[Pieces], Tree]
"""Keeps a tar and opens it to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of a COPY or ADD after expansion. `remote` are sources that are URLs."""

    sources: tuple[str, ...]
    remote: tuple[str, ...]
    target: str
    contents: tuple[Content, ...]
    chown: str
    chmod: str
    exclude: tuple[str, ...]
    checksum: str = ""

    @property
    def count(self) -> int:
        """How many sources there are."""
        return len(self.sources) + len(self.remote) + len(self.contents)


@dataclass(frozen=True, slots=True)
class Source:
    """Where sources are looked for. `keep_owner`: what comes from another stage keeps its owners."""

    tree: Tree
    keep_owner: bool = False


def words_of(state: State, instruction: Transfer) -> Words:
    """Expand everything. Raises InvalidRequest."""
    sources = [state.expand(word, instruction) for word in instruction.sources]
    target = state.expand(instruction.target, instruction)
    if not target:
        raise InvalidRequest(f"{instruction.node.keyword} requires a destination")
    is_add = isinstance(instruction, Add)
    chmod = state.expand(instruction.chmod, instruction)
    check_chmod(chmod)
    contents = [
        Content(os.fsencode(each.name), heredoc_text(state, instruction, each).encode())
        for each in instruction.heredocs
    ]
    return Words(
        sources=tuple(source for source in sources if not (is_add and is_remote(source))),
        remote=tuple(source for source in sources if is_add and is_remote(source)),
        target=absolute(state, target),
        contents=tuple(contents),
        chown=state.expand(instruction.chown, instruction),
        chmod=chmod,
        exclude=tuple(state.expand(pattern, instruction) for pattern in instruction.exclude),
        checksum=state.expand(instruction.checksum, instruction) if isinstance(instruction, Add) else "",
    )


def is_remote(source: str) -> bool:
    """Whether ADD would have to ask the net."""
    return source.startswith(("http://", "https://", "git://", "git@", "ssh://"))


def absolute(state: State, target: str) -> str:
    """The target from the root; a slash at its end says that it is a directory, and stays."""
    ends_as_directory = target.endswith(("/", "/.")) or target in (".", "..")
    cleaned = posixpath.normpath(posixpath.join(state.workdir, target))
    cleaned = "/" + cleaned.lstrip("/")
    return cleaned + "/" if ends_as_directory and cleaned != "/" else cleaned


def place(
    instruction: Transfer,
    words: Words,
    base: Tree,
    source: Source | None,
    downloaded: Sequence[tuple[Tree, Selected, bool]],
    open_archive: OpenArchive,
) -> Placement:
    """Where everything goes. `downloaded` are what the remote sources became, and whether they are to be unpacked.

    Raises InvalidRequest, or NotFound for a source that is not there.
    """
    placement = Placement(
        base=base,
        owner=find_owner(words.chown, base) if words.chown else None,
        chmod=words.chmod,
        follow=not instruction.link,
    )
    exclude = Ignore(words.exclude)
    found = list(_selected(instruction, words, source)) if source is not None else []
    into = len(found) + len(words.remote) + len(words.contents) > 1
    if into and not words.target.endswith("/") and words.target != "/":
        _check_many(instruction, words, base)
    keep_owner = source is not None and source.keep_owner
    for selected in found:
        assert source is not None
        if isinstance(instruction, Copy) and instruction.parents:
            placement.copy_with_parents(source.tree, selected, words.target, exclude, keep_owner=keep_owner)
        elif isinstance(instruction, Add) and _is_archive(instruction, source.tree, selected):
            _unpack(placement, source.tree, selected, words.target, exclude, open_archive)
        else:
            placement.copy(source.tree, selected, words.target, exclude, into=into, keep_owner=keep_owner)
    for tree, selected, unpacked in downloaded:
        if unpacked:
            _unpack(placement, tree, selected, words.target, exclude, open_archive)
        else:
            placement.copy(tree, selected, words.target, exclude, into=into, keep_owner=False)
    for content in words.contents:
        placement.add_content(content, words.target, into=into)
    return placement


def _selected(instruction: Transfer, words: Words, source: Source) -> Iterator[Selected]:
    parents = isinstance(instruction, Copy) and instruction.parents
    for word in words.sources:
        try:
            yield from select(source.tree, word, parents=parents)
        except NotFound as error:
            raise NotFound(f"{instruction.node.keyword} failed: {error}") from None


def _check_many(instruction: Transfer, words: Words, base: Tree) -> None:
    """Several sources need a directory; one named without a slash must be one already. Raises InvalidRequest."""
    if words.count > 1:
        raise InvalidRequest(
            f"When using {instruction.node.keyword} with more than one source file, "
            "the destination must be a directory and end with a /"
        )
    # One word with wildcards found several files.
    _, entry = base.resolve(os.fsencode(words.target))
    if entry is not None and not entry.is_directory:
        raise InvalidRequest(f"cannot copy to non-directory: {words.target}")


def _is_archive(instruction: Add, tree: Tree, selected: Selected) -> bool:
    """Whether a local source is a tar, compressed or not, that is to be unpacked."""
    if instruction.unpack is False or selected.entry.kind is not Kind.FILE or not selected.entry.inode.size:
        return False
    try:
        block = Stream(open_decompressed(Pieces(tree.data(selected.entry)))).read(BLOCK)
        if len(block) < BLOCK or block == ZERO_BLOCK:
            return False
        verify_checksum(block)
    except BadLayer:
        return False
    return True


def _unpack(
    placement: Placement, tree: Tree, selected: Selected, target: str, exclude: Ignore, open_archive: OpenArchive
) -> None:
    archive = open_archive(Pieces(tree.data(selected.entry)))
    inside = Selected(b"", archive.root, b"")
    placement.copy(archive, inside, target, exclude, into=True, keep_owner=placement.owner in (None, ROOT))


def heredoc_text(state: State, instruction: Instruction, heredoc: Heredoc) -> str:
    """The content of a heredoc: variables replaced unless its name was quoted; with `<<-` no tabs in front."""
    text = heredoc.content
    if heredoc.chomp:
        text = "".join(line.lstrip("\t") for line in text.splitlines(keepends=True))
    if not heredoc.expand:
        return text
    result = expanded(text, state.variables, instruction.node.escape, quotes=False)
    state.unset += [(name, instruction) for name in result.unset]
    return result.text
