"""Does `sampan runtime` pass the validation programs of the OCI? From Debian's source package, built with Go.

They are fetched when the test runs, into .cache, and so are the libraries that they are built with, but for the one
that Debian does not have (`tap.go` stands in for it). Each program is one test; it tells its findings as TAP.
`make soak`.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from debian_source import CACHE, Debian
from expect import OUTSIDE

HERE = Path(__file__).parent
WORK = CACHE / "validation"
EXPECTED = tomllib.loads((HERE / "validation_expected.toml").read_text())
PACKAGE = "golang-github-opencontainers-runtime-tools"
LIBRARIES = (
    *("golang-github-google-uuid-dev", "golang-github-hashicorp-errwrap-dev"),
    *("golang-github-hashicorp-go-multierror-dev", "golang-github-mrunalp-fileutils-dev"),
    *("golang-github-opencontainers-selinux-dev", "golang-github-opencontainers-specs-dev"),
    *("golang-github-sirupsen-logrus-dev", "golang-github-urfave-cli-dev", "golang-gocapability-dev"),
    *("golang-golang-x-sys-dev", "golang-github-blang-semver-dev", "golang-github-xeipuuv-gojsonschema-dev"),
    *("golang-github-xeipuuv-gojsonpointer-dev", "golang-github-xeipuuv-gojsonreference-dev"),
    *("golang-github-cpuguy83-go-md2man-v2-dev", "golang-github-russross-blackfriday-v2-dev"),
)
RUNTIME = f'#!/bin/sh\nexec {sys.executable} -m sampan runtime "$@"\n'
CONTROLLERS = ("blkio", "cpus", "devices", "hugetlb", "memory", "network", "pids")
PROGRAMS = (
    *("config_updates_without_affect", "create", "default", "delete", "delete_only_create_resources"),
    *("delete_resources", "hooks", "hooks_stdin", "hostname", "kill", "kill_no_effect", "killsig"),
    *(f"linux_cgroups_{place}{name}" for place in ("", "relative_") for name in CONTROLLERS),
    *("linux_devices", "linux_masked_paths", "linux_mount_label", "linux_ns_itype", "linux_ns_nopath"),
    *("linux_ns_path", "linux_ns_path_type", "linux_process_apparmor_profile", "linux_readonly_paths"),
    *("linux_rootfs_propagation", "linux_seccomp", "linux_sysctl", "linux_uid_mappings", "misc_props", "mounts"),
    *("pidfile", "poststart", "poststart_fail", "poststop", "poststop_fail", "prestart", "prestart_fail"),
    *("process", "process_capabilities", "process_capabilities_fail", "process_oom_score_adj"),
    *("process_rlimits", "process_rlimits_fail", "process_user", "root_readonly_true", "start", "state"),
)
SECONDS = 90  # some wait for what does not come
DONE = "it ends well"


@pytest.fixture(scope="module")
def tree() -> Path:
    """The directory that the programs run in, with all that they look for."""
    if OUTSIDE or not shutil.which("go"):
        pytest.skip("about our own runtime; needs go (Debian: golang-go)")
    source = Debian("trixie", WORK / "source").source(PACKAGE)
    if source is None or not Debian("bookworm", WORK / "libraries").unpack(LIBRARIES, WORK / "root"):
        pytest.skip("the programs cannot be fetched from Debian")
    place = WORK / "go/src/github.com/opencontainers/runtime-tools"
    if not place.exists():
        place.parent.mkdir(parents=True)
        shutil.copytree(source, place)
    tap = WORK / "go/src/github.com/mndrix/tap-go"
    tap.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "tap.go", tap)
    runtime = place / "sampan-runtime"
    runtime.write_text(RUNTIME)
    runtime.chmod(0o755)
    build(place, "runtimetest", "./cmd/runtimetest", "-ldflags", "-extldflags -static")
    return place


def build(place: Path, program: str, package: str, *flags: str) -> None:
    """Build one program, from what is here alone."""
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOFLAGS": "-buildvcs=false",
        "GOPATH": f"{WORK}/go:{WORK}/root/usr/share/gocode",
        "GOCACHE": f"{WORK}/built",
        "CGO_ENABLED": "0",
    }
    command = ["go", "build", *flags, "-o", program, package]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def findings(place: Path, program: str) -> tuple[set[str], str]:
    """What a program finds wrong, and all that it says."""
    environment = os.environ | {"RUNTIME": str(place / "sampan-runtime")}
    with subprocess.Popen(
        [f"bin/{program}"], cwd=place, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
    wrong = set(re.findall(r"^not ok \d+ - (.*?) *$", said, re.MULTILINE))
    if process.returncode or not re.search(r"^1\.\.\d", said, re.MULTILINE):
        wrong.add(DONE)
    return wrong, said


@pytest.mark.soak
@pytest.mark.needs_root
@pytest.mark.timeout(300)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_validation_program(tree: Path, program: str) -> None:
    build(tree, f"bin/{program}", f"./validation/{program}")
    listed = {test for tests in EXPECTED.values() for test in tests if test.startswith(f"{program}: ")}
    wrong, said = findings(tree, program)
    assert {f"{program}: {finding}" for finding in wrong} == listed, said
