"""What can a RUN write to that is not its layer? Caches that begin with files, files that are its own for the step."""

from pathlib import Path

from engine import Engine
from expect import IMAGE

SEED = f"FROM {IMAGE} AS seed\nRUN mkdir -m 0710 /s && echo seed > /s/a && echo deep > /s/gone && mkdir /empty\n"
FROM_SEED = "--mount=type=cache,id=c,from=seed,source=s,target=/c"


def test_caches_and_files(own_engine: Engine, tmp_path: Path) -> None:
    def build(*steps: str, head: str = "") -> str:
        text = head + SEED + f"FROM {IMAGE}\n" + "".join(f"{step}\n" for step in steps)
        (tmp_path / "Dockerfile").write_text(text)
        done = own_engine.sampan("build", "--progress", "plain", str(tmp_path))
        return f"{done.stdout}{done.stderr}code {done.code}"

    # A cache that begins with a stage's files keeps what steps do to it; the stage keeps its own.
    said = build(
        f"RUN {FROM_SEED} stat -c '%a mode' /c && cat /c/a && echo more >> /c/a && rm /c/gone && touch /c/new",
        f"RUN {FROM_SEED} echo now $(ls /c) $(cat /c/a)",
        "RUN --mount=from=seed,source=s,target=/m echo stage $(ls /m) $(cat /m/a); test ! -e /c",
        "RUN --mount=type=cache,id=c,from=seed,source=empty,target=/c echo other $(ls /c).",
    )
    assert said.endswith("code 0"), said
    for line in ("710 mode", "now a new seed more", "stage a gone seed", "other ."):
        assert line in said, said
    assert "later a new seed more" in build(f"RUN {FROM_SEED} echo later $(ls /c) $(cat /c/a)")
    assert "no directory" in build("RUN --mount=type=cache,from=seed,source=s/a,target=/c true")
    assert "same cache twice" in build(f"RUN {FROM_SEED} {FROM_SEED.replace('=/c', '=/d')} true")

    # Steps that need the same two caches, in another order, or of stages that they wait for: none waits for ever.
    both = [
        "--mount=type=cache,sharing=locked,id=one,target=/one",
        "--mount=type=cache,sharing=locked,id=two,target=/two",
    ]
    head = f"FROM {IMAGE} AS x\nRUN {both[0]} {both[1]} sleep 0.3; echo x > /x\n"
    head += f"FROM {IMAGE} AS y\nRUN {both[1]} {both[0]} sleep 0.3; echo y > /y\n"
    said = build(
        f"RUN {both[0]} --mount=from=x,target=/x --mount=from=y,target=/y cat /x/x /y/y && echo met", head=head
    )
    assert "met" in said and said.endswith("code 0"), said

    # A single file, to be written to: for this step alone.
    (tmp_path / "f").write_text("own\n")
    (tmp_path / "f").chmod(0o640)
    said = build(
        "RUN --mount=source=f,target=/f,rw stat -c '%a mode' /f; echo written >> /f; echo $(cat /f)",
        "RUN --mount=source=f,target=/f echo still $(cat /f) && (echo x >> /f || echo refused)",
        "RUN test ! -e /f && echo gone",
    )
    for line in ("640 mode", "own written", "still own", "refused", "gone"):
        assert line in said, said
    assert (tmp_path / "f").read_text() == "own\n"

    # `# check=error=true`: what --check finds is an error, before anything runs.
    said = build("RUN echo ran", "CMD echo x", head="# check=error=true\n")
    assert "lint violation found for rules: JSONArgsRecommended" in said and said.endswith("code 1"), said
    assert "\nran" not in said and "WARNING: JSONArgsRecommended" in said
    assert build('CMD ["x"]', head="# check=error=true\n").endswith("code 0")
    assert build("CMD echo x", head="# check=skip=JSONArgsRecommended;error=true\n").endswith("code 0")
