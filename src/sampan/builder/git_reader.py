"""How does one commit of a git repository become a tar? The process that `git` starts.

Reads what is asked as JSON from its standard input and writes `{"commit": …}` or `{"error": …}` to its standard output.
The library is a git of its own (dulwich): no git program runs, no configuration of this machine is read, and the files
go from the repository's objects straight into the tar, and those of its submodules (`git_modules`) with them.
"""

import itertools
import json
import os
import re
import resource
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sampan.layers.encode import END_OF_ARCHIVE, encode, padding
from sampan.layers.tar import NO_XATTRS, Kind, Member
from sampan.linux.prctl import set_pdeathsig

if TYPE_CHECKING:
    from dulwich.client import GitClient
    from dulwich.objects import Commit, ObjectID
    from dulwich.repo import Repo

    from sampan.builder.git_modules import Modules

MEMORY_BYTES_MAX = 2 << 30
FILE_BYTES_MAX = 4 << 30
CPU_SECONDS_MAX = 600
ENTRIES_MAX = 300_000
PATH_BYTES_MAX = 4096
CONNECT_SECONDS = 60
SHA1_DIGITS = 40
COMMIT = re.compile(r"[0-9a-f]{7,40}")
REPOSITORY = "repository"
GIT_DIRECTORY = b".git"


class Unreadable(Exception):
    """What the repository or the request lacks, for the user."""


def main() -> None:
    """Answer one request."""
    set_pdeathsig(signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    asked = json.load(sys.stdin)
    try:
        answer = {"commit": read(asked)}
    except Unreadable as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": f"it needs more than {MEMORY_BYTES_MAX >> 20} MiB of memory"}
    except ImportError as error:
        answer = {"error": f"the package dulwich is needed for it ({error})"}
    except Exception as error:
        # Whatever the library says of a server's answer: its sentences may quote the URL, which has no password here.
        answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
    json.dump(answer, sys.stdout)


def read(asked: dict[str, Any]) -> str:
    """Fetch and write the tar; the commit. Raises Unreadable, and what dulwich raises."""
    from dulwich.repo import Repo

    from sampan.builder.git_modules import Modules

    with Repo.init_bare(REPOSITORY, mkdir=True) as repository:
        commit_id = fetch(repository, asked)
        commit = commit_of(repository, commit_id, asked["ref"])
        directory = asked["directory"]
        tree_id = subtree(repository, commit.tree, directory)
        modules = Modules(repository, commit.tree, asked, directory and directory + "/", 0)
        moment = max(0, commit.commit_time) * 10**9
        with open(asked["tar"], "xb") as out:
            for member, data in members(repository, tree_id, moment, modules, itertools.count(1)):
                _write(out, member, data)
            if asked["keep_git_dir"] and not asked["directory"]:
                write_git_directory(out, repository, commit_id, asked["url"], moment)
            out.write(END_OF_ARCHIVE)
    return commit_id.decode()


def commit_of(repository: "Repo", commit_id: "ObjectID", name: str) -> "Commit":
    """The commit of that id. Raises Unreadable for anything else."""
    from dulwich.objects import Commit

    commit = repository[commit_id]
    if not isinstance(commit, Commit):
        raise Unreadable(f"{name or 'HEAD'} is no commit")
    return commit


def fetch(repository: "Repo", asked: dict[str, Any]) -> "ObjectID":
    """Fetch the one commit that is asked for, if it can be without its history; its id. Raises Unreadable."""
    from dulwich.errors import GitProtocolError
    from dulwich.objects import ObjectID, Tag
    from dulwich.refs import Ref

    wanted: list[ObjectID] = []
    is_whole = len(asked["ref"]) == SHA1_DIGITS and bool(COMMIT.fullmatch(asked["ref"]))

    def choose(refs: Any, depth: int | None = None) -> list[ObjectID]:
        name = asked["ref"]
        for candidate in (name or "HEAD", f"refs/tags/{name}", f"refs/heads/{name}"):
            found = refs.get(Ref(candidate.encode()))
            if found:
                wanted.append(found)
                return wanted
        if is_whole:
            wanted.append(ObjectID(name.encode()))
            return wanted
        if COMMIT.fullmatch(name):
            return []  # an abbreviation, which the server does not know
        raise Unreadable(f"it does not contain ref {name}" if name else "it is empty")

    client, path = client_of(asked)
    try:
        client.fetch(path, repository, determine_wants=choose, depth=1)
    except GitProtocolError:
        if not is_whole:
            raise
        wanted.clear()  # a server may give away only what a name leads to
    found = wanted[0] if wanted else in_history(repository, client, path, asked["ref"])
    for _ in range(10):  # a tag may stand for a tag
        thing = repository[found]
        if not isinstance(thing, Tag):
            break
        found = thing.object[1]
    return found


def in_history(repository: "Repo", client: "GitClient", path: str, prefix: str) -> "ObjectID":
    """The commit whose id begins so, of all that the server has names for, which is fetched. Raises Unreadable."""
    from dulwich.objects import Commit

    def choose(refs: Any, depth: int | None = None) -> "list[ObjectID]":
        return list({identity for identity in refs.values() if identity})

    client.fetch(path, repository, determine_wants=choose)
    known = repository.object_store.iter_prefix(prefix.encode())
    commits = [identity for identity in known if isinstance(repository[identity], Commit)]
    if len(commits) != 1:
        raise Unreadable(
            f"{prefix} stands for {len(commits)} commits" if commits else f"it does not contain ref {prefix}"
        )
    return commits[0]


def client_of(asked: dict[str, Any]) -> "tuple[GitClient, str]":
    """Who talks to the server, and the repository's path there."""
    from dulwich.client import HttpGitClient, TCPGitClient

    url = urlsplit(asked["url"])
    if url.scheme == "git":
        return TCPGitClient(url.hostname or "", url.port), url.path
    client = HttpGitClient(
        f"{url.scheme}://{url.netloc}", username=asked["user"] or None, password=asked["password"] or None,
        timeout=CONNECT_SECONDS,
    )  # fmt: skip
    return client, url.path + (f"?{url.query}" if url.query else "")


def subtree(repository: "Repo", tree_id: "ObjectID", directory: str) -> "ObjectID":
    """The directory of a commit; each part of its path is one, never a link. Raises Unreadable."""
    from dulwich.objects import Tree

    for part in directory.split("/") if directory else ():
        tree = repository[tree_id]
        assert isinstance(tree, Tree)
        entries = {entry.path: entry for entry in tree.iteritems()}
        entry = entries.get(os.fsencode(part))
        if entry is None or entry.mode is None or not stat.S_ISDIR(entry.mode) or entry.sha is None:
            raise Unreadable(f"{directory} is no directory of it")
        tree_id = entry.sha
    return tree_id


def members(
    repository: "Repo", tree_id: "ObjectID", moment_ns: int, modules: "Modules", count: "itertools.count[int]"
) -> Iterator[tuple[Member, bytes]]:
    """The files of a tree, of `modules` where another repository stands. `count` is of all files together.

    Raises Unreadable for names that no checkout would have.
    """
    from dulwich.objects import S_ISGITLINK, Tree

    pending = [(b"", tree_id)]
    while pending:
        above, identity = pending.pop()
        tree = repository[identity]
        if not isinstance(tree, Tree):
            raise Unreadable("one of its directories is something else")
        for entry in tree.iteritems():
            name, mode, sha = entry.path, entry.mode, entry.sha
            if name is None or mode is None or sha is None:
                raise Unreadable("one of its directories is damaged")
            path = above + name
            _check_name(name, path, next(count))
            if S_ISGITLINK(mode):
                yield _member(path, Kind.DIRECTORY, 0o755, moment_ns), b""
                yield from modules.members(path, sha, count)
            elif stat.S_ISDIR(mode):
                yield _member(path, Kind.DIRECTORY, 0o755, moment_ns), b""
                pending.append((path + b"/", sha))
            elif stat.S_ISLNK(mode):
                target = repository[sha].as_raw_string()
                if not target or b"\0" in target or len(target) > PATH_BYTES_MAX:
                    raise Unreadable(f"the link {os.fsdecode(path)} leads nowhere")
                yield _member(path, Kind.SYMLINK, 0o777, moment_ns)._replace(link=target), b""
            elif stat.S_ISREG(mode):
                data = repository[sha].as_raw_string()
                is_program = bool(mode & stat.S_IXUSR)
                member = _member(path, Kind.FILE, 0o755 if is_program else 0o644, moment_ns)
                yield member._replace(size=len(data)), data
            else:
                raise Unreadable(f"{os.fsdecode(path)} is neither a file, a link nor a directory")


def write_git_directory(out: IO[bytes], repository: "Repo", commit_id: "ObjectID", url: str, moment_ns: int) -> None:
    """`.git` as a shallow clone has it: the objects, and a HEAD that is the commit."""
    config = (
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
        f'[remote "origin"]\n\turl = {json.dumps(url)}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
    )
    files = {
        b"HEAD": commit_id + b"\n", b"config": config.encode(), b"shallow": commit_id + b"\n",
        b"index": index_of(repository, commit_id),
    }  # fmt: skip
    directories = [b"", b"refs", b"refs/heads", b"refs/tags", b"objects", b"objects/info", b"objects/pack"]
    for name in directories:
        path = GIT_DIRECTORY + b"/" + name if name else GIT_DIRECTORY
        _write(out, _member(path, Kind.DIRECTORY, 0o755, moment_ns), b"")
    for name, data in files.items():
        _write(out, _member(GIT_DIRECTORY + b"/" + name, Kind.FILE, 0o644, moment_ns)._replace(size=len(data)), data)
    packs = os.path.join(REPOSITORY, "objects", "pack")
    for pack in sorted(os.listdir(packs)):
        if pack.endswith((".pack", ".idx")):
            with open(os.path.join(packs, pack), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                path = GIT_DIRECTORY + b"/objects/pack/" + pack.encode()
                out.write(encode(_member(path, Kind.FILE, 0o444, moment_ns)._replace(size=size)))
                shutil.copyfileobj(file, out)
                out.write(padding(size))


def index_of(repository: "Repo", commit_id: "ObjectID") -> bytes:
    """The index of a checkout. Its sizes and times are 0, so that git looks at the files themselves."""
    from dulwich.index import Index, IndexEntry
    from dulwich.objects import Commit

    commit = repository[commit_id]
    assert isinstance(commit, Commit)
    index = Index("index", read=False)
    for entry in repository.object_store.iter_tree_contents(commit.tree):
        assert entry.path is not None and entry.mode is not None and entry.sha is not None
        index[entry.path] = IndexEntry((0, 0), (0, 0), 0, 0, entry.mode, 0, 0, 0, entry.sha)
    index.write()
    with open("index", "rb") as file:
        return file.read()


def _check_name(name: bytes, path: bytes, count: int) -> None:
    if count > ENTRIES_MAX:
        raise Unreadable(f"it has more than {ENTRIES_MAX} files")
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name or name.lower() == GIT_DIRECTORY:
        raise Unreadable(f"it has a file of the name {os.fsdecode(name)!r}")
    if len(path) > PATH_BYTES_MAX:
        raise Unreadable("it has a path that is too long")


def _member(path: bytes, kind: Kind, mode: int, moment_ns: int) -> Member:
    return Member(path, kind, mode, 0, 0, 0, moment_ns, b"", (0, 0), NO_XATTRS, 0)


def _write(out: IO[bytes], member: Member, data: bytes) -> None:
    out.write(encode(member))
    out.write(data)
    out.write(padding(len(data)))


if __name__ == "__main__":
    from sampan.builder import git_reader  # under its own name, which `git_modules` knows it by

    git_reader.main()
