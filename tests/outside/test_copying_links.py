"""Does `cp -L` bring what a link points to?"""

from pathlib import Path

from expect import DETACHED, IMAGE, Docker, says


def test_follow_link_copies_the_file_behind_it(docker: Docker, name: str, tmp_path: Path) -> None:
    script = "echo inside > /tmp/file; ln -s file /tmp/link; echo ready; sleep 100"
    docker(*DETACHED, "--name", name, IMAGE, "sh", "-c", script)
    says(docker("exec", name, "sh", "-c", "while [ ! -L /tmp/link ]; do :; done"))
    docker("cp", f"{name}:/tmp/link", str(tmp_path / "as-link"))
    docker("cp", "-L", f"{name}:/tmp/link", str(tmp_path / "as-file"))
    assert (tmp_path / "as-link").is_symlink()
    assert not (tmp_path / "as-file").is_symlink()
    assert (tmp_path / "as-file").read_text() == "inside\n"
