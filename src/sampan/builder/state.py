"""Where does a stage stand after each of its instructions?

The image config so far, the layers so far, how they came about, and the ARGs in scope. A step changes this and nothing
else; what is here after the last step is the image.
"""

import json
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.builder.dockerfile.instructions import Instruction
from sampan.errors import InvalidRequest
from sampan.images.words import expanded
from sampan.oci.digest import digest_of
from sampan.oci.platform import Platform

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
LAYERS_MAX = 480
PROXIES = tuple(
    spelled
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for spelled in (name.upper(), name)
)


@dataclass(slots=True, kw_only=True)
class State:
    """One stage on its way. `config` has Docker's field names; `env`, in its order, takes the place of its Env.

    `arguments` are the ARGs in scope that have a value; `mark` stands for everything that led here.

    `declared` are all names that ARG has named, `globals` what ARG without a value takes on: the ARGs before the first
    FROM and the predefined ones. `unset` collects variables that were used and never given a value.
    """

    platform: Platform
    config: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    mark: str = ""
    author: str = ""
    created: str = ""
    diff_ids: list[str] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    declared: dict[str, None] = field(default_factory=dict)
    globals: Mapping[str, str] = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict)
    cmd_is_set: bool = False
    base_layers: int = 0
    unset: list[tuple[str, Instruction]] = field(default_factory=list)

    @property
    def variables(self) -> Mapping[str, str]:
        """What `$x` means: an ARG, unless the environment says otherwise."""
        return ChainMap(self.env, self.arguments)

    @property
    def shell(self) -> tuple[str, ...]:
        """What runs the shell form."""
        return tuple(self.config.get("Shell") or DEFAULT_SHELL)

    @property
    def workdir(self) -> str:
        """Where relative paths begin."""
        return str(self.config.get("WorkingDir") or "/")

    def expand(self, word: str, instruction: Instruction) -> str:
        """A word with its variables replaced. Raises InvalidRequest."""
        result = expanded(word, self.variables, instruction.node.escape)
        self.unset += [(name, instruction) for name in result.unset]
        return result.text

    def expand_words(self, word: str, instruction: Instruction) -> Sequence[str]:
        """The same, cut at blanks."""
        result = expanded(word, self.variables, instruction.node.escape)
        self.unset += [(name, instruction) for name in result.unset]
        return result.words

    def note(self, created_by: str, *, created: str, is_layer: bool = False) -> None:
        """One line of history."""
        entry: dict[str, Any] = {
            "created": created,
            "created_by": created_by + (" # buildkit" if is_layer else ""),
            "comment": "buildkit.dockerfile.v0",
        }
        if not is_layer:
            entry["empty_layer"] = True
        self.add_mark(created_by)
        self.history.append(entry)

    def add_layer(self, diff_id: str) -> None:
        """One more layer. Raises InvalidRequest for too many."""
        if len(self.diff_ids) >= LAYERS_MAX:
            raise InvalidRequest(f"max depth exceeded: an image has at most {LAYERS_MAX} layers")
        self.diff_ids.append(diff_id)
        self.add_mark(diff_id)

    def add_mark(self, what: str) -> None:
        """One more thing that led here."""
        self.mark = digest_of(f"{self.mark} {what}".encode()).partition(":")[2]

    def fork(self) -> "State":
        """A stage that begins where this one ended. ARGs are inherited, as BuildKit has it."""
        return State(
            platform=self.platform,
            config=json.loads(json.dumps(self.config)),
            env=dict(self.env),
            mark=self.mark,
            author=self.author,
            created=self.created,
            diff_ids=list(self.diff_ids),
            history=[dict(entry) for entry in self.history],
            arguments=dict(self.arguments),
            declared=dict(self.declared),
            globals=self.globals,
            proxies=self.proxies,
            base_layers=self.base_layers,
        )


def platform_arguments(target: Platform, build: Platform) -> dict[str, str]:
    """TARGETPLATFORM and its seven relatives."""
    found: dict[str, str] = {}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        found |= {
            f"{prefix}PLATFORM": str(platform),
            f"{prefix}OS": platform.os,
            f"{prefix}ARCH": platform.architecture,
            f"{prefix}VARIANT": platform.variant,
        }
    return found
