"""Which commands are there? The order and text of --help, and the module that is imported when one is called.

Words are joined by spaces: "container ls" is a command of the group "container". `place` is MODULE or MODULE:VARIABLE
under sampan.cli.commands; several names with one place are aliases of each other. Importing this imports no command.
"""

from __future__ import annotations

COMMON, MANAGEMENT, OTHER = SECTIONS = ("Common Commands", "Management Commands", "Commands")


class Entry:
    """One line of --help. `place` is empty for a group; `hidden` entries work but are not listed."""

    __slots__ = ("hidden", "place", "section", "summary")

    def __init__(self, place: str, summary: str, section: str = OTHER, *, hidden: bool = False) -> None:
        self.place = place
        self.summary = summary
        self.section = section
        self.hidden = hidden


def later(summary: str) -> Entry:
    """A docker command that the engine does not have yet: understood, and answered with a clear sentence."""
    return Entry("later", summary, hidden=True)


def again(entry: Entry, *, hidden: bool = False) -> Entry:
    """The same command under another name."""
    return Entry(entry.place, entry.summary, hidden=hidden)


RUN = Entry("run", "Create and run a new container from an image", COMMON)
EXEC = Entry("exec", "Execute a command in a running container", COMMON)
BUILD = Entry("build", "Build an image from a Dockerfile", COMMON)
PS = Entry("ps", "List containers", COMMON)
IMAGES = Entry("images", "List images", COMMON)
INFO = Entry("info", "Display system-wide information", COMMON)
COMMIT = Entry("commit", "Create a new image from a container's changes")
ATTACH = Entry("attach", "Attach local standard input, output, and error streams to a running container")
CREATE = Entry("run:CREATE", "Create a new container")
CP = Entry("cp", "Copy files/folders between a container and the local filesystem")
DIFF = Entry("diff", "Inspect changes to files or directories on a container's filesystem")
EXPORT = Entry("export", "Export a container's filesystem as a tar archive")
EVENTS = Entry("events", "Show events from the engine as they happen")
HISTORY = Entry("history", "Show the history of an image")
IMPORT = Entry("import_", "Make an image of one layer from a tarball")
KILL = Entry("signals:KILL", "Kill one or more running containers")
LOAD = Entry("load", "Load an image from a tar archive or standard input")
LOGS = Entry("logs", "Fetch the logs of a container")
PAUSE = Entry("signals:PAUSE", "Pause all processes within one or more containers")
PORT = Entry("port", "List port mappings or a specific mapping for the container")
PULL = Entry("pull", "Download an image from a registry", COMMON)
PUSH = Entry("push", "Upload an image to a registry", COMMON)
RENAME = Entry("rename", "Rename a container")
RESTART = Entry("stop:RESTART", "Restart one or more containers")
RM = Entry("rm", "Remove one or more containers")
RMI = Entry("rmi", "Remove one or more images")
SAVE = Entry("save", "Save one or more images to a tar archive (streamed to standard output by default)")
SHOW_RUN = Entry("show_run", "Show the run command that would make a container again")
START = Entry("start", "Start one or more stopped containers")
STATS = Entry("stats", "Display a live stream of container(s) resource usage statistics")
STOP = Entry("stop", "Stop one or more running containers")
TAG = Entry("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE")
TOP = Entry("top", "Display the running processes of a container, or all containers live")
UNPAUSE = Entry("signals:UNPAUSE", "Unpause all processes within one or more containers")
UPDATE = Entry("update", "Update configuration of one or more containers")
WAIT = Entry("wait", "Block until one or more containers stop, then print their exit codes")

COMMANDS: dict[str, Entry] = {
    "run": RUN,
    "exec": EXEC,
    "ps": PS,
    "build": BUILD,
    "pull": PULL,
    "push": PUSH,
    "images": IMAGES,
    "login": Entry("login", "Authenticate to a registry", COMMON),
    "logout": Entry("login:LOGOUT", "Log out from a registry", COMMON),
    "search": Entry("search", "Search a registry for images", COMMON),
    "version": Entry("version", "Show the version of the client and of the engine", COMMON),
    "info": INFO,
    "builder": Entry("", "Manage builds", MANAGEMENT),
    "container": Entry("", "Manage containers", MANAGEMENT),
    "image": Entry("", "Manage images", MANAGEMENT),
    "manifest": Entry("", "Manage image manifests and manifest lists", MANAGEMENT),
    "network": Entry("", "Manage networks", MANAGEMENT),
    "registry": Entry("", "Serve a registry", MANAGEMENT),
    "system": Entry("", "Manage the engine", MANAGEMENT),
    "volume": Entry("", "Manage volumes", MANAGEMENT),
    "attach": ATTACH,
    "commit": COMMIT,
    "completion": Entry("completion", "Print a shell's completion script (bash, zsh or fish)"),
    "__complete": Entry("completion:COMPLETE", "Candidates for the last word", hidden=True),
    "cp": CP,
    "create": CREATE,
    "diff": DIFF,
    "daemon": Entry("daemon", "Run the engine itself"),
    "events": EVENTS,
    "export": EXPORT,
    "history": HISTORY,
    "import": IMPORT,
    "inspect": Entry("inspect", "Return low-level information on containers, images, networks and volumes"),
    "kill": KILL,
    "load": LOAD,
    "logs": LOGS,
    "pause": PAUSE,
    "port": PORT,
    "port publish": Entry("port:PUBLISH", "Publish ports of a container, running or not"),
    "port unpublish": Entry("port:UNPUBLISH", "Publish ports of a container no longer"),
    "rename": RENAME,
    "restart": RESTART,
    "rm": RM,
    "rmi": RMI,
    "runtime": Entry("runtime", "Run containers by OCI bundle, as runc does"),
    "save": SAVE,
    "show-run": SHOW_RUN,
    "start": START,
    "stats": STATS,
    "stop": STOP,
    "tag": TAG,
    "top": TOP,
    "unpause": UNPAUSE,
    "update": UPDATE,
    "wait": WAIT,
    "builder build": again(BUILD),
    "builder cache": Entry("builder_cache", "Export and import what RUN --mount=type=cache keeps"),
    "builder history": Entry("build_history", "List the latest builds and what became of them"),
    "builder prune": Entry("prune:BUILDER", "Remove build cache"),
    "container attach": again(ATTACH),
    "container commit": again(COMMIT),
    "container cp": again(CP),
    "container create": again(CREATE),
    "container diff": again(DIFF),
    "container exec": again(EXEC),
    "container export": again(EXPORT),
    "container inspect": Entry("inspect:CONTAINER", "Display detailed information on one or more containers"),
    "container kill": again(KILL),
    "container logs": again(LOGS),
    "container ls": again(PS),
    "container list": again(PS, hidden=True),
    "container ps": again(PS, hidden=True),
    "container pause": again(PAUSE),
    "container port": again(PORT),
    "container prune": Entry("prune:CONTAINERS", "Remove all stopped containers"),
    "container rename": again(RENAME),
    "container restart": again(RESTART),
    "container rm": again(RM),
    "container remove": again(RM, hidden=True),
    "container run": again(RUN),
    "container show-run": again(SHOW_RUN),
    "container start": again(START),
    "container stats": again(STATS),
    "container stop": again(STOP),
    "container top": again(TOP),
    "container unpause": again(UNPAUSE),
    "container update": again(UPDATE),
    "container wait": again(WAIT),
    "image from-host": Entry("from_host", "Make an image from programs installed on this machine"),
    "image history": again(HISTORY),
    "image import": again(IMPORT),
    "image inspect": Entry("inspect:IMAGE", "Display detailed information on one or more images"),
    "image load": again(LOAD),
    "image ls": again(IMAGES),
    "image list": again(IMAGES, hidden=True),
    "image prune": Entry("prune:IMAGES", "Remove unused images"),
    "image pull": again(PULL),
    "image push": again(PUSH),
    "image rm": again(RMI),
    "image remove": again(RMI, hidden=True),
    "image save": again(SAVE),
    "image tag": again(TAG),
    "image verify": Entry("verify", "Check that everything of images is what its digest says, and repair it"),
    "network connect": Entry("network_join:CONNECT", "Connect a container to a network"),
    "network create": Entry("network_create", "Create a network"),
    "network disconnect": Entry("network_join:DISCONNECT", "Disconnect a container from a network"),
    "manifest annotate": Entry("manifest:ANNOTATE", "Add additional information to a local image manifest"),
    "manifest create": Entry("manifest:CREATE", "Create a local manifest list to annotate and push"),
    "manifest inspect": Entry("manifest:INSPECT", "Display an image manifest, or manifest list"),
    "manifest push": Entry("manifest:PUSH", "Push a manifest list to a repository"),
    "manifest rm": Entry("manifest:RM", "Delete one or more manifest lists from local storage"),
    "network inspect": Entry("inspect:NETWORK", "Display detailed information on one or more networks"),
    "network ls": Entry("networks", "List networks"),
    "network list": Entry("networks", "List networks", hidden=True),
    "network prune": Entry("prune:NETWORKS", "Remove all unused networks"),
    "network rm": Entry("network_rm", "Remove one or more networks"),
    "network remove": Entry("network_rm", "Remove one or more networks", hidden=True),
    "registry serve": Entry("registry", "Serve a registry (OCI distribution-spec 1.1)"),
    "system df": Entry("df", "Show how much disk space images, containers and volumes take"),
    "system events": again(EVENTS),
    "system info": again(INFO),
    "system prune": Entry("prune:SYSTEM", "Remove unused data"),
    "volume clone": Entry("volume:CLONE", "Copy a volume into a new one"),
    "volume cp": Entry("cp:VOLUME", "Copy files/folders between a volume and the local filesystem"),
    "volume create": Entry("volume:CREATE", "Create a volume"),
    "volume export": Entry("export:VOLUME", "Export a volume's files as a tar archive"),
    "volume import": Entry("export:IMPORT", "Make a volume of a tar archive"),
    "volume inspect": Entry("inspect:VOLUME", "Display detailed information on one or more volumes"),
    "volume ls": Entry("volumes", "List volumes"),
    "volume list": Entry("volumes", "List volumes", hidden=True),
    "volume prune": Entry("volume:PRUNE", "Remove unused local volumes"),
    "volume rename": Entry("volume:RENAME", "Rename a volume that no container uses"),
    "volume rm": Entry("volume:REMOVE", "Remove one or more volumes"),
    "volume remove": Entry("volume:REMOVE", "Remove one or more volumes", hidden=True),
    "volume update": Entry("volume:UPDATE", "Update a volume (cluster volumes only)", hidden=True),
    "buildx": later("Build with BuildKit"),
    "checkpoint": later("Manage checkpoints"),
    "compose": later("Run services described in a compose file"),
    "context": later("Manage contexts"),
    "plugin": later("Manage plugins"),
    "swarm": later("Manage a swarm"),
    "image build": again(BUILD),
}


def children(group: str) -> dict[str, Entry]:
    """The listed commands of a group by their last word; of the program itself for ""."""
    prefix = f"{group} " if group else ""
    found = {name.removeprefix(prefix): entry for name, entry in COMMANDS.items() if name.startswith(prefix)}
    return {name: entry for name, entry in found.items() if " " not in name and not entry.hidden}


def aliases_of(name: str) -> list[str]:
    """All names of the command called `name`, longest form first; empty if it has only one."""
    place = COMMANDS[name].place
    names = [each for each, entry in COMMANDS.items() if entry.place == place and place]
    return sorted(names, key=lambda each: -each.count(" ")) if len(names) > 1 else []
