"""Do whole examples build and run: a Python app with its wheels, a C program in scratch, odd and huge contexts?"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archives import docker_archive, tar
from engine import Client, Result
from expect import IMAGE, ONCE, OUTSIDE, Docker, says
from host_python import pip_wheel, python_members, wheel
from networked import MARK, Networked

Build = Callable[..., Result]
GB = 1 << 30
APP = """
import sys
import greeting

print(greeting.of(sys.argv[1]) if sys.argv[1] != "--help" else "usage: app.py NAME")
"""
GREETING = 'def of(name):\n    return f"hello {name}"\n'
PROGRAM = "int puts(const char *text);\nint main(int count, char **words) { return puts(words[count - 1]) < 0; }\n"
# What cc runs and links besides itself; cc says where they are.
TOOLS = ("cc1", "as", "collect2", "ld")
PARTS = ("crt1.o", "crti.o", "crtbeginT.o", "crtend.o", "crtn.o", "libc.a", "libgcc.a", "libgcc_eh.a")
ARRIVED = """file regular file 644 0 2
second regular file 644 0 2
fifo fifo 640 0 1
null character special file 600 0 1
empty directory 700 0 2
mode regular empty file 4751 0 1
file
/nowhere/at all
bytes
long
1:3
 6e 6f 74 ff fe 75 74 66 38
odd
"""


@pytest.fixture(autouse=True)
def classic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The docker CLI's own builder."""
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")


@pytest.fixture
def build(docker: Docker, name: str, tmp_path: Path) -> Iterator[Build]:
    """Builds the files of `tmp_path`, tagged with the test's name."""

    def run(text: str, *flags: str, timeout: float = 60) -> Result:
        (tmp_path / "Dockerfile").write_text(text)
        return docker("build", "-t", name, *flags, str(tmp_path), timeout=timeout)

    yield run
    docker("rmi", "-f", name)


def test_a_python_app_installs_its_wheels_and_takes_arguments(
    docker: Docker, build: Build, name: str, image_tar: Path, tmp_path: Path
) -> None:
    pip = pip_wheel()
    if pip is None:
        pytest.skip("needs pip's wheel, which ensurepip brings along")
    base = f"{name}-python"
    archive = tmp_path.parent / f"{name}.tar"
    archive.write_bytes(docker_archive(f"{base}:latest", [image_tar.read_bytes(), tar(python_members())]))
    assert docker("load", "-i", str(archive)).code == 0
    (tmp_path / "wheels").mkdir()
    shutil.copy(pip, tmp_path / "wheels")
    (tmp_path / "wheels" / "greeting-1.0-py3-none-any.whl").write_bytes(wheel("greeting", GREETING))
    (tmp_path / "app.py").write_text(APP)
    install = f"python /wheels/{pip.name}/pip install --no-index --find-links /wheels --target /app greeting"
    done = build(
        f"FROM {base}\nWORKDIR /app\nCOPY wheels /wheels\nRUN {install}\nCOPY app.py .\n"
        'ENTRYPOINT ["python", "app.py"]\nCMD ["--help"]\n'
    )
    try:
        assert done.code == 0, done.stdout + done.stderr
        assert "Successfully installed greeting-1.0" in done.stdout
        says(docker(*ONCE, name), "usage: app.py NAME\n")
        says(docker(*ONCE, name, "world"), "hello world\n")
    finally:
        docker("rmi", "-f", name, base)


def test_a_c_program_is_compiled_in_one_stage_and_alone_in_the_image(
    engine: Client, docker: Docker, build: Build, name: str, tmp_path: Path
) -> None:
    if OUTSIDE:
        pytest.skip("the compiler's image is made by a command of ours")
    asked = {part: cc_says(f"-print-file-name={part}") for part in PARTS}
    missing = [part for part, found in asked.items() if not os.path.isabs(found)]
    if missing:
        pytest.skip(f"needs a C compiler with static libraries; there is no {', '.join(missing)}")
    tools = [shutil.which(cc_says(f"-print-prog-name={tool}")) or tool for tool in TOOLS]
    base = f"{name}-cc"
    made = engine.sampan("image", "from-host", "-t", base, "sh", "cc", *tools)
    assert made.code == 0, made.stderr
    for found in asked.values():
        place = tmp_path / "parts" / os.path.realpath(found).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(found, place)
    (tmp_path / "parts/usr/include").mkdir(exist_ok=True)  # the program needs no header, but cc looks for one
    (tmp_path / "say.c").write_text(PROGRAM)
    done = build(
        f"FROM {base} AS build\nCOPY parts/ /\nCOPY say.c /src/\n"
        "RUN cc -static -fno-use-linker-plugin -o /say /src/say.c\n"
        f"FROM {base} AS never\nRUN exit 9\n"
        'FROM scratch\nCOPY --from=build /say /say\nENTRYPOINT ["/say"]\nCMD ["nothing"]\n'
    )
    try:
        assert done.code == 0, done.stdout + done.stderr
        says(docker(*ONCE, name), "nothing\n")
        says(docker(*ONCE, name, "a", "word"), "word\n")
        assert docker("image", "inspect", "-f", "{{len .RootFS.Layers}}", name).stdout == "1\n"
    finally:
        docker("rmi", "-f", name, base)


def cc_says(question: str) -> str:
    """What the C compiler answers; nothing when there is none."""
    if shutil.which("cc") is None:
        return ""
    return subprocess.run(["cc", question], capture_output=True, text=True, check=False).stdout.strip()


def test_a_build_that_fails_loses_neither_the_image_nor_the_finished_steps(
    docker: Docker, build: Build, name: str, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("first\n")
    text = f"FROM {IMAGE} AS made\nCOPY data /data\nRUN cp /data /{name}\nFROM {IMAGE}\nCOPY --from=made /{name} /in\n"
    assert build(text).code == 0
    image = docker("image", "inspect", "-f", "{{.Id}}", name).stdout
    (tmp_path / "data").write_text("second\n")
    failed = build(text + "RUN cat /in; exit 3\n")
    assert (failed.code, "\nsecond\n" in failed.stdout) == (3, True)
    assert docker("image", "inspect", "-f", "{{.Id}}", name).stdout == image, "the tag stays where it was"
    says(docker(*ONCE, name, "cat", "/in"), "first\n")
    again = build(text + "RUN test -s /in\n")
    assert again.code == 0, again.stderr
    assert again.stdout.count("Using cache") >= 3, again.stdout
    says(docker(*ONCE, name, "cat", "/in"), "second\n")


@pytest.mark.parametrize("client", ["docker", "sampan"])
def test_links_special_files_and_odd_names_of_a_context_arrive(
    engine: Client, docker: Docker, name: str, tmp_path: Path, client: str
) -> None:
    if OUTSIDE:
        pytest.skip("dockerd's classic builder copies a hard link's bytes twice")
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("bytes\n")
    os.link(context / "file", context / "second")
    os.symlink("file", context / "near")
    os.symlink("/nowhere/at all", context / "broken")
    os.mkfifo(context / "fifo", 0o640)
    os.mknod(context / "null", 0o600 | 0o020000, os.makedev(1, 3))
    (context / "empty").mkdir(mode=0o700)
    (context / "mode").write_text("")
    (context / ("long" * 60)).write_text("long\n")
    os.chown(context / "mode", 1000, 1000)
    (context / "mode").chmod(0o4751)
    Path(os.fsdecode(os.fsencode(context) + b"/not\xff\xfeutf8")).write_text("odd\n")
    # A Dockerfile from elsewhere: docker's client then leaves out the padding at the end of the context.
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY . /in/\n")
    run = engine.docker if client == "docker" else engine.sampan
    done = run("build", "-t", name, "-f", str(tmp_path / "Dockerfile"), str(context))
    assert done.code == 0, done.stdout + done.stderr
    look = (
        "cd /in; stat -c '%n %F %a %u %h' file second fifo null empty mode; readlink near; readlink broken;"
        'cat near long*; stat -c %t:%T null; for f in not*; do printf %s "$f" | od -An -tx1; cat "$f"; done'
    )
    found = docker(*ONCE, name, "sh", "-c", look)
    assert found.stdout == ARRIVED, found.stderr


def test_a_step_finds_the_containers_of_a_users_network(net: Networked, tmp_path: Path) -> None:
    network, image = f"{MARK}-builds", f"{MARK}-built"
    net.says("network", "create", network)
    net.up("answers", "--network", network, "--network-alias", "answers", command=("httpd", "-f", "-h", "/etc"))
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN wget -qO /got http://answers/group\n")
    try:
        net.says("build", "-t", image, "--network", network, str(tmp_path))
        assert net.says("run", "--rm", "--network", "none", image, "head", "-n", "1", "/got") == "root:x:0:"
        alone = net.docker("build", "--network", "none", str(tmp_path))
        assert alone.code == 1 and "bad address 'answers'" in alone.stdout + alone.stderr
    finally:
        net.docker("rmi", "-f", image)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_context_of_a_hundred_thousand_files(docker: Docker, build: Build, name: str, tmp_path: Path) -> None:
    for number in range(100_000):
        if number % 500 == 0:
            (tmp_path / f"d{number // 500}").mkdir()
        (tmp_path / f"d{number // 500}" / f"f{number}").write_text(str(number))
    text = f"FROM {IMAGE}\nCOPY . /in\nRUN find /in -type f -name 'f*' | wc -l\n"
    done = build(text, timeout=300)
    assert done.code == 0, done.stderr
    assert "\n100000\n" in done.stdout
    (tmp_path / "d7" / "f3501").write_text("changed")
    assert build(text, timeout=300).code == 0
    says(docker(*ONCE, name, "cat", "/in/d7/f3501", "/in/d199/f99999"), "changed99999")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_file_of_five_gigabytes(docker: Docker, build: Build, name: str, tmp_path: Path) -> None:
    if shutil.disk_usage("/var/tmp").free < 16 * GB:
        pytest.skip("needs 16 GB on the disk")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(5 * GB)
        large.seek(5 * GB - 4)
        large.write(b"end\n")
    done = build(f"FROM {IMAGE}\nCOPY large /large\nRUN stat -c %s /large\n", timeout=600)
    assert done.code == 0, done.stderr
    assert f"\n{5 * GB}\n" in done.stdout
    says(docker(*ONCE, name, "tail", "-c", "4", "/large", timeout=300), "end\n")
