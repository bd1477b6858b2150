"""Does `sampan` say what `docker` says? Each row is typed at both, on the same engine.

Standard output and exit code must be equal; of standard error the sense: what docker's first line says must be in ours,
which may add what to try. Names of containers, IDs and times are made alike first.
"""

import re
import shlex

import pytest

from engine import Client, Result
from expect import IMAGE, LABEL, Docker

SHORTHAND = {"once": "run --rm --network none", "made": f"create --network none --name NAME {IMAGE}"}
LOOP = "sh -c \"trap 'exit 7' TERM; echo out; echo err >&2; while :; do sleep 0.05; done\""
UP = f"run -d --network none --name NAME --label k=v IMAGE {LOOP}"
# One line is a row of its own; several are typed one after the other, and the last line is what counts.
ROWS: list[str] = [
    "once IMAGE echo hi",
    "once IMAGE sh -c 'echo out; echo err >&2; exit 3'",
    "once IMAGE nosuch",
    "once IMAGE /bin/nosuch",
    "once IMAGE /etc",
    "once -e A=1 -e B=x=y -w /tmp -u 1000:2000 IMAGE sh -c 'echo $A $B; pwd; id -u; id -g'",
    "once --hostname box --entrypoint hostname IMAGE",
    "once -it IMAGE true",
    "once -t IMAGE tty",
    "once -a stderr IMAGE sh -c 'echo out; echo err >&2'",
    "once --read-only --tmpfs /t IMAGE sh -c 'touch /t/a && touch /a'",
    "once --ulimit nofile=50:60 IMAGE sh -c 'ulimit -n'",
    "once --memory 1 IMAGE true",
    "once --restart always IMAGE true",
    "once -w rel IMAGE true",
    "once --name /x/y IMAGE true",
    "run --network none --pull never nosuchimage:1 true",
    "run --network none --pull sometimes IMAGE true",
    "run --network none IMAGE:tag:x true",
    "run -d --network none -a stdout IMAGE true",
    "once --sysctl kernel.panic=1 IMAGE true",
    "run --rm --network name=none,alias=x IMAGE true",
    "UP\nrun -d --network none --name NAME IMAGE true",
    "UP\nps --filter name=NAME --format '{{.Names}} {{.Image}} {{.Command}} {{.State}} {{.Labels}}'",
    "UP\nps -a --filter name=NAME --no-trunc --format 'table {{.Names}}\\t{{.Ports}}\\t{{.Label \"k\"}}'",
    "UP\nps -q --no-trunc --filter name=NAME",
    "UP\nps --filter name=NAME",
    "UP\nps --filter name=NAME --format json",
    "UP\nps --filter name=NAME -s --format '{{json .Names}}|{{.Size}}'",
    "made sh -c 'echo one; echo two'\nstart -a NAME\nlogs --tail 1 NAME",
    "UP\nlogs --tail x NAME",
    "UP\nexec NAME sh -c 'echo out; echo err >&2; exit 4'",
    "UP\nexec -e A=5 -w /tmp -u 1000 NAME sh -c 'echo $A; pwd; id -u'",
    "UP\nexec -d NAME true",
    "UP\nexec -it NAME true",
    "UP\nexec NAME nosuch",
    "UP\npause NAME",
    "UP\npause NAME\nexec NAME true",
    "UP\npause NAME\nattach NAME",
    "UP\npause NAME\npause NAME",
    "UP\nunpause NAME",
    "UP\nrename NAME NAME2\nps --filter name=NAME --format '{{.Names}}'",
    "UP\nstop NAME\nwait NAME",
    "UP\nstop -t 5 -s TERM NAME\nps -a --filter name=NAME --format '{{.Status}}'",
    "UP\nrestart -t 0 NAME",
    "UP\nkill -s KILL NAME\nwait NAME",
    "UP\nkill -s BOGUS NAME",
    "UP\nrm NAME",
    "UP\nrm -f NAME",
    "UP\nupdate --memory 64m --memory-swap 64m NAME",
    "UP\nport NAME",
    "UP\nport NAME 80",
    "UP\ntop NAME -o comm",
    "UP\nattach --no-stdin --bogus NAME",
    "UP\ninspect -f '{{.Name}} {{.State.Status}} {{json .Config.Cmd}} {{.HostConfig.NetworkMode}}' NAME",
    "UP\ninspect -f '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}{{len .Mounts}}' NAME",
    "UP\ninspect -f '{{.Config.Entrypoint}} {{.HostConfig.Binds}} {{.Config.Volumes}}' NAME",
    "UP\ninspect -f '{{if .State.Health}}h{{else}}none{{end}} {{index .Config.Labels \"k\"}}' NAME",
    "UP\ninspect -f '{{.Nope}}' NAME",
    "UP\ninspect -f json NAME",
    "made sh -c 'echo hi; exit 9'\nstart -a NAME",
    "made sh -c 'echo hi; exit 9'\nstart NAME\nwait NAME\nlogs NAME",
    "made true\nlogs NAME",
    "made true\nexec NAME true",
    "made true\nattach NAME",
    "made true\ntop NAME",
    "made true\nrename NAME NAME",
    "made nosuch\nstart NAME",
    "made nosuch\nstart -a NAME",
    *(f"{verb} NAME-none" for verb in ("rm", "stop", "kill", "pause", "unpause", "wait", "logs", "start", "restart")),
    *(f"{verb} NAME-none" for verb in ("attach", "top", "port", "inspect", "rm -f", "container inspect", "start -a")),
    "rename NAME-none NAME-other",
    "exec NAME-none true",
    "stop NAME-none NAME-other",
    "inspect --type image NAME-none",
    "image inspect NAME-none",
    "network inspect NAME-none",
    "volume inspect NAME-none",
    "rmi NAME-none",
    "tag NAME-none x",
    "tag IMAGE 'Bad Name'",
    "history NAME-none",
    "save NAME-none",
    "load -i /nonexistent",
    "import /nonexistent",
    "tag IMAGE NAME:1\nrmi NAME:1",
    "images IMAGE",
    "images -q --no-trunc IMAGE",
    "images --format '{{.Repository}}:{{.Tag}} {{.Size}}' IMAGE",
    "images --filter dangling=x",
    "images --format '{{.ID}}|{{.Digest}}|{{.SharedSize}}|{{.UniqueSize}}|{{.VirtualSize}}|{{.CreatedAt}}' IMAGE",
    "image ls --digests IMAGE",
    "history IMAGE",
    "history --no-trunc --human=false --format '{{.ID}} {{.Size}} {{.CreatedBy}}' IMAGE",
    "history -q IMAGE",
    "network ls --format '{{.Name}} {{.Driver}} {{.Scope}}' --filter name=none",
    "network ls --filter driver=host",
    "volume ls --filter name=nosuchvolume",
    "ps --filter foo=bar",
    "ps --filter foo",
    "ps -n x",
    "ps --format '{{.ID'",
    "ps extra",
    "ps --bogus",
    "images a b",
    "rm",
    "run",
    "exec x",
    "update NAME-none",
    "container bogus",
    "bogus",
    "--bogus",
    "container prune --filter label=NAME-none",
    "container prune -f --filter label=NAME-none",
    "image prune -f --filter label=NAME-none",
    "version --format '{{.Server.APIVersion}} {{.Server.Os}}'",
    "version --format '{{.Nope}}'",
    "info --format '{{.OSType}} {{.Driver}} {{json .Plugins.Volume}}'",
    "events --since 1s --until 0s --filter container=NAME-none",
    "system df --format '{{.Type}}'",
]  # fmt: skip
# What our client does otherwise on purpose: a row, and why.
OTHERWISE = {
    "version --format '{{.Nope}}'": "docker fails after it has talked to the engine, and names its Go type",
    "container bogus": "docker says its help on standard error",
}


def typed(client: Client, program: str, row: str, name: str) -> Result:
    """The result of the last line of a row, with what differs from run to run made alike."""
    own = f"{name}-{program[0]}"
    result = Result(0, "", "")
    for short in row.split("\n"):
        first, space, rest = short.partition(" ")
        line = UP if short == "UP" else SHORTHAND.get(first, first) + space + rest
        words = [word.replace("NAME", own).replace("IMAGE", IMAGE) for word in shlex.split(line)]
        if words[0] in ("run", "create"):
            words[1:1] = ["--label", LABEL]
        result = getattr(client, program)(*words)
    return Result(result.code, alike(result.stdout, own), alike(result.stderr, own))


def alike(text: str, name: str) -> str:
    """Without names, IDs, times, and without the name of the program."""
    text = text.replace(name, "NAME").replace("docker", "sampan").replace("Docker", "sampan")
    text = re.sub(r"\b[0-9a-f]{64}\b", "ID64", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "ID12", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d\d:?\d\d|Z)?( UTC)?", "TIME", text)
    text = re.sub(r"sampan-test=\d+", "LABEL", text)
    text = re.sub(r'"(Pid|StartedAt|SandboxKey|GraphDriver)":("[^"]*"|\d+|\{[^}]*\}\S*?\})', r'"\1":X', text)
    text, ages = re.subn(r"Less than a second|\d+ (seconds?|minutes?)|About a minute", "A WHILE", text)
    return re.sub(" {2,}", "  ", text) if ages else text


def sense(text: str) -> str:
    """The first line of a message, without what varies in taste."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    first = first.removeprefix("Error: ").removeprefix("sampan: ")
    return re.sub(r"strconv\..*|[.'\"]", "", first).lower().strip()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.replace("\n", " ; ")[-60:])
def test_the_same_is_said(engine: Client, docker: Docker, name: str, row: str) -> None:
    if row in OTHERWISE:
        pytest.skip(OTHERWISE[row])
    wanted, got = typed(engine, "docker", row, name), typed(engine, "sampan", row, name)
    assert (got.code, got.stdout) == (wanted.code, wanted.stdout), f"\ndocker: {wanted}\nsampan: {got}"
    assert bool(got.stderr) == bool(wanted.stderr), f"\ndocker: {wanted}\nsampan: {got}"
    assert sense(wanted.stderr) in re.sub(r"[.'\"]", "", got.stderr).lower(), f"\ndocker: {wanted}\nsampan: {got}"
