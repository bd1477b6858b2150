"""Which request body do the flags of run and create make?

Every field that docker's client sends is sent, with the same empty values: an engine tells "not given" from "given
empty" by them (`MemorySwappiness: -1`, `Dns: []`, `Entrypoint: null`).
"""

from __future__ import annotations

from sampan.cli.command import Failure
from sampan.cli.flags import Options
from sampan.cli.values import as_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BAD_OPTIONS = 125


def refuse(text: str) -> Failure:
    """An option that the engine need not be asked about."""
    return Failure(text, BAD_OPTIONS)


def container_create(options: Options, image: str, words: list[str]) -> dict[str, Any]:
    """The body of POST /containers/create. Raises Failure for options that cannot work."""
    body = config(options, image, words)
    body["HostConfig"] = host_config(options)
    body["NetworkingConfig"] = {"EndpointsConfig": endpoints(options)}
    if options["rm"] and body["HostConfig"]["RestartPolicy"]["Name"] not in ("no", ""):
        raise refuse("conflicting options: cannot specify both --restart and --rm")
    return body


def config(options: Options, image: str, words: list[str]) -> dict[str, Any]:
    """The fields that also an image has: what to run, and as whom."""
    attach = options["attach"] or ["stdout", "stderr"]
    attach_stdin = options["interactive"] or "stdin" in attach
    entrypoint = [options["entrypoint"]] if options.given("entrypoint") else None
    _, volumes = split_volumes(options["volume"])
    body: dict[str, Any] = {
        "Hostname": options["hostname"],
        "Domainname": options["domainname"],
        "User": options["user"],
        "AttachStdin": attach_stdin,
        "AttachStdout": "stdout" in attach,
        "AttachStderr": "stderr" in attach,
        "Tty": options["tty"],
        "OpenStdin": options["interactive"],
        "StdinOnce": options["interactive"] and attach_stdin,
        "Env": environment(options["env-file"], options["env"]),
        "Cmd": words or None,
        "Image": image,
        "Volumes": {path: {} for path in volumes},
        "WorkingDir": options["workdir"],
        "Entrypoint": entrypoint,
        "OnBuild": None,
        "Labels": dict(sorted(as_map(labels(options["label-file"], options["label"])).items())),
    }
    exposed = exposed_ports(options)
    if exposed:
        body["ExposedPorts"] = exposed
    if options["stop-signal"]:
        body["StopSignal"] = options["stop-signal"]
    if options.given("stop-timeout"):
        body["StopTimeout"] = options["stop-timeout"]
    if options["no-healthcheck"] or any(options.given(name) for name in HEALTH_FLAGS):
        from sampan.cli.create.health import health_check

        check = health_check(options)
        if check:
            body["Healthcheck"] = check
    if options["health-restart"]:
        body["Labels"]["sampan.restart-unhealthy"] = "true"
    return body


HEALTH_FLAGS = (
    "health-cmd",
    "health-interval",
    "health-timeout",
    "health-start-period",
    "health-start-interval",
    "health-retries",
)


def host_config(options: Options) -> dict[str, Any]:
    """The fields that concern this host: resources, mounts, namespaces, rights."""
    from sampan.cli.create.resources import resources, restart_policy

    binds, _ = split_volumes(options["volume"])
    security, masked, readonly = security_options(options["security-opt"])
    networks = options["network"]
    body: dict[str, Any] = {
        "Binds": binds or None,
        "ContainerIDFile": options["cidfile"],
        "LogConfig": {"Type": options["log-driver"], "Config": log_options(options)},
        "NetworkMode": networks[0]["target"] if networks else "default",
        "PortBindings": port_bindings(options["publish"]),
        "RestartPolicy": restart_policy(options["restart"]),
        "AutoRemove": options["rm"],
        "VolumeDriver": options["volume-driver"],
        "VolumesFrom": options["volumes-from"] or None,
        "ConsoleSize": [0, 0],
        "CapAdd": capabilities(options["cap-add"]) or None,
        "CapDrop": capabilities(options["cap-drop"]) or None,
        "CgroupnsMode": mode(options, "cgroupns", ("", "host", "private"), "CGROUP"),
        "Dns": options["dns"],
        "DnsOptions": options["dns-option"],
        "DnsSearch": options["dns-search"],
        "ExtraHosts": options["add-host"] or None,
        "GroupAdd": options["group-add"] or None,
        "IpcMode": options["ipc"],
        "Cgroup": "",
        "Links": options["link"] or None,
        "OomScoreAdj": options["oom-score-adj"],
        "PidMode": mode(options, "pid", ("", "host"), "PID"),
        "Privileged": options["privileged"],
        "PublishAllPorts": options["publish-all"],
        "ReadonlyRootfs": options["read-only"],
        "SecurityOpt": security if options["security-opt"] else None,
        "UTSMode": mode(options, "uts", ("", "host"), "UTS"),
        "UsernsMode": mode(options, "userns", ("", "host"), "USER"),
        "ShmSize": options["shm-size"] or 0,
        "Isolation": options["isolation"],
        "MaskedPaths": masked,
        "ReadonlyPaths": readonly,
        **resources(options),
    }
    add_rare_fields(options, body)
    return body


def capabilities(given: list[str]) -> list[str]:
    """`net_admin` as CAP_NET_ADMIN; ALL stays; in order, each once."""
    names = (name.upper() for name in given)
    return sorted({name if name == "ALL" or name.startswith("CAP_") else f"CAP_{name}" for name in names})


def add_rare_fields(options: Options, body: dict[str, Any]) -> None:
    """The fields that docker's client leaves out when their flag is not given."""
    if options["tmpfs"]:
        body["Tmpfs"] = {path: settings for path, _, settings in (text.partition(":") for text in options["tmpfs"])}
    if options["sysctl"]:
        body["Sysctls"] = as_map(options["sysctl"])
    if options["runtime"]:
        body["Runtime"] = options["runtime"]
    if options["mount"]:
        body["Mounts"] = options["mount"]
    if options["annotation"]:
        body["Annotations"] = as_map(options["annotation"])
    if options.given("init"):
        body["Init"] = options["init"]
    if options["storage-opt"]:
        wrong = [text for text in options["storage-opt"] if "=" not in text]
        if wrong:
            raise refuse(f"invalid storage option: {wrong[0]}: write it as --storage-opt size=10G")
        body["StorageOpt"] = as_map(options["storage-opt"])


def mode(options: Options, name: str, plain: tuple[str, ...], word: str) -> str:
    """A namespace mode: one of `plain`, or container:NAME for --pid. Raises Failure."""
    value: str = options[name]
    container = name == "pid" and value.startswith("container:") and len(value) > len("container:")
    if value not in plain and not container:
        known = ", ".join(each for each in plain if each) + (" or container:NAME" if name == "pid" else "")
        raise refuse(f"--{name}: invalid {word} mode {value!r}: use {known}")
    return value


def log_options(options: Options) -> dict[str, str]:
    """--log-opt as a dict. Raises Failure when there is nothing they could apply to."""
    if options["log-driver"] == "none" and options["log-opt"]:
        raise refuse("invalid logging opts for driver none: leave out --log-opt, nothing is logged")
    return as_map(options["log-opt"])


def environment(files: list[str], given: list[str]) -> list[str] | None:
    """Variables from files, then from -e."""
    if files:
        from sampan.cli.create.environment import read_file

        given = [line for file in files for line in read_file(file, inherit=True)] + given
    return given or None


def labels(files: list[str], given: list[str]) -> list[str]:
    """Labels from files, then from -l."""
    if files:
        from sampan.cli.create.environment import read_file

        given = [line for file in files for line in read_file(file, inherit=False)] + given
    return given


def split_volumes(volumes: list[str]) -> tuple[list[str], list[str]]:
    """-v values as (binds, anonymous volumes)."""
    if not volumes:
        return [], []
    from sampan.cli.create.storage import split_volumes as split

    return split(volumes)


def exposed_ports(options: Options) -> dict[str, dict[str, str]]:
    """ExposedPorts from --expose and -p."""
    if not options["expose"] and not options["publish"]:
        return {}
    from sampan.cli.create.ports import exposed

    return exposed(options["expose"], options["publish"])


def port_bindings(published: list[str]) -> dict[str, list[dict[str, str]]]:
    """PortBindings from -p."""
    if not published:
        return {}
    from sampan.cli.create.ports import bindings

    return bindings(published)


def security_options(given: list[str]) -> tuple[list[str], list[str] | None, list[str] | None]:
    """(SecurityOpt, MaskedPaths, ReadonlyPaths) from --security-opt."""
    if not given:
        return [], None, None
    from sampan.cli.create.security import security_options as read

    return read(given)


def endpoints(options: Options) -> dict[str, Any]:
    """EndpointsConfig from --network and the flags that go with it."""
    from sampan.cli.create.network import EMPTY_ENDPOINT, PER_NETWORK_FLAGS, endpoints_config

    networks = options["network"]
    if not any(options.given(name) for name in PER_NETWORK_FLAGS) and len(networks) < 2:
        if not networks:
            return {"default": EMPTY_ENDPOINT}
        if networks[0].keys() == {"target"}:
            return {}
    return endpoints_config(options)
