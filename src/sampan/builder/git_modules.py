"""What is at a path of a git repository that stands for another repository? In the process of `git_reader`.

Only if the URL says `?submodules=true`, and then as `git submodule update --init --recursive`, without git: the address
in `.gitmodules` is the repository's choice, so it may only be one that a Dockerfile could name (http, https, git), a
relative one stays on its server, and a password goes to the server that it was given for. How many there are, and how
deep, is bounded.
"""

import itertools
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from sampan.builder.git_reader import REPOSITORY, Unreadable, commit_of, fetch, members
from sampan.layers.tar import Member

if TYPE_CHECKING:
    from dulwich.objects import ObjectID
    from dulwich.repo import Repo

MODULES_MAX = 200
DEPTH_MAX = 8
LISTING = b".gitmodules"
LISTING_BYTES_MAX = 1 << 20

_numbers = itertools.count(1)  # this process reads one repository, with all that is in it


class Modules:
    """The repositories inside of one. `above`: the directory of its tree that is read, "" or ending with a slash."""

    def __init__(self, repository: "Repo", tree_id: "ObjectID", asked: dict[str, Any], above: str, depth: int) -> None:
        self._asked = asked
        self._above = above.encode()
        self._depth = depth
        self._urls = _listed(repository, tree_id) if asked["submodules"] else {}

    def members(
        self, path: bytes, commit_id: "ObjectID", count: "itertools.count[int]"
    ) -> Iterator[tuple[Member, bytes]]:
        """The files of the repository at `path`, which is in all names. Nothing, if nobody says or asks where it is."""
        from dulwich.errors import NotGitRepository
        from dulwich.repo import Repo

        url = self._urls.get(self._above + path)
        if url is None:
            return
        number = next(_numbers)
        if number > MODULES_MAX or self._depth >= DEPTH_MAX:
            raise Unreadable(
                f"it has more than {MODULES_MAX} submodules, or more than {DEPTH_MAX} inside of each other"
            )
        asked = self._address(path, url) | {"ref": commit_id.decode(), "submodules": True}
        try:
            with Repo.init_bare(f"{REPOSITORY}-{number}", mkdir=True) as repository:
                commit = commit_of(repository, fetch(repository, asked), asked["ref"])
                inner = Modules(repository, commit.tree, asked, "", self._depth + 1)
                moment = max(0, commit.commit_time) * 10**9
                for member, data in members(repository, commit.tree, moment, inner, count):
                    below = member._replace(path=path + b"/" + member.path)
                    yield below, data
        except NotGitRepository:
            raise Unreadable(f"its submodule {path.decode(errors='replace')}: there is no repository") from None
        except Unreadable as error:
            raise Unreadable(f"its submodule {path.decode(errors='replace')}: {error}") from None

    def _address(self, path: bytes, url: str) -> dict[str, Any]:
        """Where it is, in the words of `git_reader`. Raises Unreadable."""
        from sampan.builder.git import parse_address
        from sampan.errors import SampanError

        if url.startswith(("./", "../")):
            same = {name: self._asked[name] for name in ("user", "password")}
            return {"url": _relative(self._asked["url"], url), **same}
        try:
            found = parse_address(url.partition("#")[0])
        except SampanError as error:
            raise Unreadable(f"its submodule {path.decode(errors='replace')}: {error}") from None
        return {"url": found.url, "user": found.user, "password": found.password}


def _listed(repository: "Repo", tree_id: "ObjectID") -> dict[bytes, str]:
    """URLs by path, of a tree's `.gitmodules`. Raises Unreadable for what is none."""
    from dulwich.config import ConfigFile, parse_submodules
    from dulwich.objects import Blob, Tree

    tree = repository[tree_id]
    assert isinstance(tree, Tree)
    found = [entry.sha for entry in tree.iteritems() if entry.path == LISTING and entry.sha is not None]
    blob = repository[found[0]] if found else None
    if not isinstance(blob, Blob):
        return {}
    data = blob.as_raw_string()
    try:
        if len(data) > LISTING_BYTES_MAX:
            raise ValueError("it is too large")
        listed = parse_submodules(ConfigFile.from_file(BytesIO(data)))
        return {path.strip(b"/"): url.decode() for path, url, _ in listed}
    except (ValueError, KeyError) as error:
        raise Unreadable(f"its .gitmodules cannot be read: {error}") from None


def _relative(base: str, url: str) -> str:
    """`../other.git` beside the repository at `base`; never on another server. Raises Unreadable."""
    parts = urlsplit(base)
    steps = [step for step in parts.path.split("/") if step]
    for step in url.split("/"):
        if step == ".." and not steps:
            raise Unreadable(f"a submodule's address leads out of its server: {url}")
        if step == "..":
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return urlunsplit((parts.scheme, parts.netloc, "/" + "/".join(steps), "", ""))
