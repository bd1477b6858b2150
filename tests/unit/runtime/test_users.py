"""Does a user's name or number mean what it says, whatever the image's files say? (A18, A19, A20)"""

import os
from pathlib import Path

import pytest

from sampan.runtime.plan import User
from sampan.runtime.status import StartFailed
from sampan.runtime.users import resolve

PASSWD = """root:x:0:0:root:/root:/bin/sh
www:x:1000:1000::/home/www:/bin/sh
0:x:4000:4000::/evil:/bin/sh
1001:x:0:0::/evil:/bin/sh
4294967296:x:0:0::/evil:/bin/sh
-1:x:0:0::/evil:/bin/sh
broken line
over:x:99999999999:0::/:/bin/sh
"""
GROUP = "root:x:0:\nwww:x:1000:\nextra:x:2000:www,other\n5:x:0:\n"


@pytest.fixture
def root(tmp_path: Path) -> int:
    """A descriptor of a root with hostile user files."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("www", (1000, 1000, [1000, 2000], "/home/www")),
        ("www:extra", (1000, 2000, [2000], "/home/www")),
        ("www:7", (1000, 7, [7], "/home/www")),
        ("1000", (1000, 1000, [1000, 2000], "/home/www")),
        ("0", (0, 0, [0], "/root")),
        ("1001", (1001, 0, [0], "/")),
        ("1001:5", (1001, 5, [5], "/")),
        ("777", (777, 0, [0], "/")),
        ("4294967294", (4294967294, 0, [0], "/")),
    ],
)
def test_names_and_numbers(root: int, name: str, expected: object) -> None:
    assert resolve(User(name=name), root) == expected


@pytest.mark.parametrize(
    "name", ["nobody", "4294967295", "4294967296", "-1", "+0", "0x0", " 0", "over", "www:nogroup", "www:-1", "٣"]
)
def test_what_is_no_user_is_refused_and_never_root(root: int, name: str) -> None:
    with pytest.raises(StartFailed):
        resolve(User(name=name), root)


def test_numbers_of_a_spec_are_taken_as_they_are(root: int) -> None:
    assert resolve(User(uid=5, gid=6, groups=(7,)), root) == (5, 6, [7], "/")


def test_a_root_without_user_files_knows_numbers_only(tmp_path: Path) -> None:
    bare = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    assert resolve(User(name="12:13"), bare)[:3] == (12, 13, [13])
    with pytest.raises(StartFailed, match="no matching entries in passwd file"):
        resolve(User(name="www"), bare)


@pytest.mark.parametrize("kind", ["fifo", "device", "huge", "endless line", "directory"])
def test_a_hostile_passwd_is_an_error_at_once(tmp_path: Path, kind: str) -> None:
    """A19, C16"""
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc/passwd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
        (tmp_path / "dev").mkdir()
        os.mknod(tmp_path / "dev/zero", 0o20666, os.makedev(1, 5))
    elif kind == "directory":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    else:
        path.write_bytes(b"x" * (2 << 20))
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    with pytest.raises(StartFailed, match="cannot be read"):
        resolve(User(name="www"), root)
    assert resolve(User(name="12:13"), root) == (12, 13, [13], "/")


def test_a_link_out_of_the_root_leads_into_it(tmp_path: Path) -> None:
    """C16: /etc/passwd -> /outside is looked up inside."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/../../../../etc/passwd.real")
    (tmp_path / "etc/passwd.real").write_text("inside:x:42:42::/in:/bin/sh\n")
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    assert resolve(User(name="inside"), root)[0] == 42
