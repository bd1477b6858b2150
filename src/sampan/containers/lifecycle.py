"""Which acts are legal in which status, and where do they lead?

Rule 1: everything that decides whether an act is legal lives in this file. `TRANSITIONS` is the whole truth:

    created ──start──► running ──pause──► paused
       │                 │ ▲                │
       │ fail            │ └────unpause─────┤
       ▼                 ▼ die              │ die
    created            exited ◄─────────────┘
       │                 │  └──start──► running
       └────remove───────┴──────► removing ──(gone)

    running, paused, exited ──again──► restarting ──start──► running        (a restart policy's doing)
                                           └──die, fail──► exited

A failed start leaves a container where it was. A container that is being removed has no future; `dead` is a word that
Docker's filters know, and no container here is ever in it. `REFUSALS` holds dockerd's sentences for what is forbidden.
"""

from enum import StrEnum

from sampan.errors import Conflict


class Status(StrEnum):
    """Docker's words for where a container is."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"


class Act(StrEnum):
    """What can be done to a container, or happen to it."""

    START = "start"
    FAIL = "fail"
    DIE = "die"
    AGAIN = "again"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    REMOVE = "remove"
    EXEC = "exec"
    ATTACH = "attach"
    SIGNAL = "signal"
    RENAME = "rename"


TRANSITIONS: dict[Status, dict[Act, Status]] = {
    Status.CREATED: {
        Act.START: Status.RUNNING,
        Act.FAIL: Status.CREATED,
        Act.REMOVE: Status.REMOVING,
        Act.ATTACH: Status.CREATED,
        Act.RENAME: Status.CREATED,
    },
    Status.RUNNING: {
        Act.DIE: Status.EXITED,
        Act.AGAIN: Status.RESTARTING,
        Act.PAUSE: Status.PAUSED,
        Act.EXEC: Status.RUNNING,
        Act.ATTACH: Status.RUNNING,
        Act.SIGNAL: Status.RUNNING,
        Act.RENAME: Status.RUNNING,
    },
    Status.PAUSED: {
        Act.DIE: Status.EXITED,
        Act.AGAIN: Status.RESTARTING,
        Act.UNPAUSE: Status.RUNNING,
        Act.SIGNAL: Status.PAUSED,
        Act.RENAME: Status.PAUSED,
    },
    Status.RESTARTING: {
        Act.START: Status.RUNNING,
        Act.FAIL: Status.EXITED,
        Act.DIE: Status.EXITED,
        Act.SIGNAL: Status.RESTARTING,
        Act.RENAME: Status.RESTARTING,
    },
    Status.EXITED: {
        Act.START: Status.RUNNING,
        Act.FAIL: Status.EXITED,
        Act.AGAIN: Status.RESTARTING,
        Act.REMOVE: Status.REMOVING,
        Act.ATTACH: Status.EXITED,
        Act.RENAME: Status.EXITED,
    },
    Status.REMOVING: {},
    Status.DEAD: {},
}

_REMOVED = "container is marked for removal and cannot be {done}"
_RUNNING = "You cannot remove a {status} container {id}. {hint} before attempting removal or force remove"

REFUSALS: dict[tuple[Status, Act], str] = {
    (Status.PAUSED, Act.START): "cannot start a paused container, try unpause instead",
    (Status.REMOVING, Act.START): _REMOVED.format(done="started"),
    (Status.DEAD, Act.START): _REMOVED.format(done="started"),
    (Status.PAUSED, Act.PAUSE): "Container {id} is already paused",
    (Status.RESTARTING, Act.PAUSE): "Container {id} is restarting, wait until the container is running",
    (Status.RUNNING, Act.UNPAUSE): "Container {id} is not paused",
    (Status.PAUSED, Act.EXEC): "Container {name} is paused, unpause the container before exec",
    (Status.RESTARTING, Act.EXEC): "Container {id} is restarting, wait until the container is running",
    (Status.PAUSED, Act.ATTACH): "container {id} is paused, unpause the container before attach",
    (Status.RESTARTING, Act.ATTACH): "container {id} is restarting, wait until the container is running",
    (Status.RUNNING, Act.REMOVE): _RUNNING.replace("{hint}", "Stop the container"),
    (Status.PAUSED, Act.REMOVE): _RUNNING.replace("{hint}", "Unpause and then stop the container"),
    (Status.RESTARTING, Act.REMOVE): _RUNNING.replace("{hint}", "Stop the container"),
    (Status.REMOVING, Act.REMOVE): "removal of container {name} is already in progress",
    (Status.REMOVING, Act.RENAME): _REMOVED.format(done="renamed"),
    (Status.DEAD, Act.RENAME): _REMOVED.format(done="renamed"),
}


def after(status: Status, act: Act, *, id: str = "", name: str = "") -> Status:
    """The status that `act` leads to. Raises Conflict with dockerd's sentence where it is not legal.

    `name` is how the user called the container, for the sentences that repeat it.
    """
    try:
        return TRANSITIONS[status][act]
    except KeyError:
        sentence = REFUSALS.get((status, act), "Container {id} is not running")
        raise Conflict(sentence.format(id=id, name=name or id, status=status)) from None


def allows(status: Status, act: Act) -> bool:
    """Is `act` legal in `status`?"""
    return act in TRANSITIONS[status]
