"""Where are the contexts of a build that have names (`--build-context NAME=…`)?

A directory comes from the client, left before the build began: the engine never opens a path that a request names. An
image (`docker-image://NAME`) is found when a step asks for it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack

from sampan.builder.context import Kept
from sampan.builder.inputs import CONTEXT, Inputs


async def named_contexts(contexts: Mapping[str, str], inputs: Inputs, held: ExitStack) -> dict[str, Kept]:
    """The files of each context that has any, while `held` is open. Raises NotFound."""
    return await asyncio.to_thread(_left, contexts, inputs, held)


def _left(contexts: Mapping[str, str], inputs: Inputs, held: ExitStack) -> dict[str, Kept]:
    found = {}
    for name, where in contexts.items():
        if where.startswith(CONTEXT):
            found[name] = inputs.take_context(where.removeprefix(CONTEXT), held)
    return found
