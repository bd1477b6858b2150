"""Do the test suites of docker-py and aiodocker pass, but for what is known not to?

`docker_expected.toml` and `aiodocker_expected.toml` list what does not pass yet, each under its reason. A test that is
not listed and fails, and one that is listed and passes, fail here.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import docker_archive, file, tar
from client_suites import AIODOCKER, DOCKER_PY, Suite, fetch, run
from conftest import prepare as make_image
from docker_registry import PROGRAM, DockerRegistry
from engine import Engine
from expect import OUTSIDE
from host_python import python_members

# The images that the suites would pull. They get by with busybox, some files and a user of the distribution's.
IMAGES = {
    "docker": ["alpine:3.10", "alpine:latest", "busybox:latest", "hello-world:latest"],
    "aiodocker": ["python:3.13-alpine", "python:3.14-alpine", "hello-world:latest"],
}
PASSWD = "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70::/var:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"


def prepare(suite: Suite, engine: Engine, image_tar: Path) -> None:
    """Load what the suite's tests run."""
    members = [file("var/opt", type=b"5"), file("etc/passwd", PASSWD.encode())]
    if suite is AIODOCKER:
        members += python_members()
    path = engine.root / "image.tar"
    for name in IMAGES[suite.name]:
        path.write_bytes(docker_archive(name, [image_tar.read_bytes(), tar(members)]))
        assert engine.docker("load", "-i", str(path)).code == 0


@pytest.fixture
def mirrored(image_tar: Path) -> Iterator[Engine]:
    """An engine with all its networks, and with a mirror of Docker Hub beside it to pull from."""
    engine = Engine("--registry-mirror", "http://127.0.0.1:5000", bridge="")
    mirror = None
    try:
        engine.start()
        make_image(engine, image_tar)
        mirror = DockerRegistry(engine, 5000) if PROGRAM else None
        yield engine
    finally:
        if mirror is not None:
            mirror.close()
        found = engine.close()
    assert not found, f"the engine left behind: {found}"


def fill_mirror(engine: Engine, names: list[str]) -> None:
    """Have the mirror serve these images."""
    for name in names if PROGRAM else ():
        copy = f"127.0.0.1:5000/library/{name}"
        engine.docker("tag", name, copy)
        assert engine.docker("push", "-q", copy).code == 0
        engine.docker("rmi", copy)


UNSTEADY = {
    # They look at what others left behind: with nothing dangling the answer is another.
    "test_images.test_prune_images",
    "test_images.test_prune_builds_default_options",
    # It wants /tmp to be on a shared mount, which is the machine's choice.
    "api_container_test.VolumeBindTest.test_create_with_binds_rw_rshared",
    # They read the output right after the start, and find what the program has said by then: the load decides.
    "api_build_test.BuildTest.test_build_in_context_dockerfile",
    "api_container_test.AttachContainerTest.test_attach_no_stream",
    "api_build_test.BuildTest.test_build_in_context_abs_dockerfile",
    "api_build_test.BuildTest.test_build_in_context_nested_dockerfile",
    "api_build_test.BuildTest.test_build_out_of_context_dockerfile",
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("suite", [DOCKER_PY, AIODOCKER], ids=lambda suite: suite.name)
def test_the_clients_own_tests(mirrored: Engine, image_tar: Path, suite: Suite) -> None:
    if OUTSIDE:
        pytest.skip("they remove containers of others")
    if PROGRAM is None:
        pytest.skip("they pull: needs docker-registry (Debian has it) as a mirror")
    tree = fetch(suite)
    if tree is None:
        pytest.skip("the client's source package cannot be fetched from PyPI")
    prepare(suite, mirrored, image_tar)
    fill_mirror(mirrored, IMAGES[suite.name])
    results = run(suite, tree, mirrored)
    assert len(results) > 50, "the suite did not run"
    failed = {name: why for name, why in results.items() if why}
    listed = {name for tests in suite.expected.values() for name in tests}
    news = {name: why for name, why in failed.items() if name not in listed | UNSTEADY}
    assert not news, f"fail, and are not listed: {news}"
    assert not listed - failed.keys(), "are listed, and pass (or are gone): take them off the list"
