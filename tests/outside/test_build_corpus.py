"""Does every Dockerfile of the corpus become what the real dockerd makes of it?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from corpus import RECORDED, Dockerfile, cases, config, layers, recorded, tree, write_context
from engine import Client, Result
from expect import IMAGE, OUTSIDE

CASES = cases(IMAGE.partition(":")[0])
SAID = recorded()


@pytest.fixture(scope="module")
def api(engine: Client) -> Iterator[docker.APIClient]:
    """What looks at the images that were built: quicker than the command line, and the same engine."""
    with docker.APIClient(f"unix://{engine.socket}", version="auto") as client:
        yield client


@pytest.fixture(scope="module")
def base(api: docker.APIClient) -> list[bytes]:
    """The layers that the Dockerfiles start from."""
    return save(api, IMAGE)


@pytest.fixture(scope="module")
def recording(request: pytest.FixtureRequest) -> Iterator[dict[str, Any] | None]:
    """What is to be recorded, when it is asked for and the engine is a real dockerd."""
    if not (request.config.getoption("--update-golden") and OUTSIDE):
        yield None
        return
    found: dict[str, Any] = {}
    yield found
    RECORDED.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def save(api: docker.APIClient, image: str) -> list[bytes]:
    """An image's layers, as `docker save` writes them."""
    return layers(b"".join(api.get_image(image)))


def build(engine: Client, case: Dockerfile, context: Path, image: str) -> Result:
    """`docker build` by the client without plugins."""
    write_context(case, context)
    words = [f"--build-arg={name}={value}" for name, value in case.args.items()]
    words += ["--target", case.target] if case.target else []
    return engine.docker("build", "-t", image, *words, str(context))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_dockerfile_becomes_what_dockerd_makes_of_it(
    engine: Client, api: docker.APIClient, base: list[bytes], case: Dockerfile, tmp_path: Path,
    recording: dict[str, Any] | None,
) -> None:  # fmt: skip
    if OUTSIDE and case.newer:
        pytest.skip("newer than the engine that was recorded")
    image = f"corpus-{case.name}:latest".lower()
    done = build(engine, case, tmp_path, image)
    if case.error:
        assert done.code != 0, done.stdout
        if recording is not None:
            recording[case.name] = {"said": done.stderr.strip().splitlines()[-1:]}
        else:
            assert case.error.lower() in (done.stdout + done.stderr).lower(), done.stdout + done.stderr
        return
    assert done.code == 0, done.stdout + done.stderr
    try:
        inspected = api.inspect_image(image)
        made = save(api, image) if inspected["RootFS"].get("Layers") else []  # 20.10 cannot save an image without any
        found = {"config": config(inspected), "tree": tree(made, base)}
    finally:
        api.remove_image(image, force=True)
    if recording is not None:
        recording[case.name] = found
    else:
        wanted = case.wanted if case.newer else SAID[case.name]
        assert {key: found[key] for key in wanted} == dict(wanted)
