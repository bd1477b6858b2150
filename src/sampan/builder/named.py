"""Where are the contexts of a build that have names (`--build-context NAME=…`)?

A directory comes from the client, left before the build began: the engine never opens a path that a request names. A
git repository or a tar with a URL is fetched now. An image (`docker-image://NAME`) is found when a step asks for it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from sampan.builder.context import Kept, Workspace, without_ignored
from sampan.builder.fetch import shown
from sampan.builder.git import is_git
from sampan.builder.inputs import CONTEXT, Inputs
from sampan.builder.remote import remote_context
from sampan.builder.request import BuildRequest
from sampan.errors import InvalidRequest


async def named_contexts(
    request: BuildRequest, inputs: Inputs, workspace: Workspace, held: ExitStack
) -> dict[str, Kept]:
    """The files of each context that has any, while `held` is open. Raises NotFound, InvalidRequest, Unavailable."""
    found = await asyncio.to_thread(_left, request.contexts, inputs, held)
    for name, where in request.contexts.items():
        if is_git(where) or where.startswith(("http://", "https://")):
            fetched, context = await remote_context(replace(request, remote=where), workspace)
            if context is None or fetched.text is not None:
                raise InvalidRequest(f"the named context {name}: {shown(where)} is no tar")
            kept = await asyncio.to_thread(workspace.keep, context)
            found[name] = await asyncio.to_thread(without_ignored, kept, "", everything=True)
    return found


def _left(contexts: Mapping[str, str], inputs: Inputs, held: ExitStack) -> dict[str, Kept]:
    found = {}
    for name, where in contexts.items():
        if where.startswith(CONTEXT):
            found[name] = inputs.take_context(where.removeprefix(CONTEXT), held)
    return found
