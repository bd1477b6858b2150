"""What of a build's context does the engine still have from the last build?"""

from __future__ import annotations

import json

from sampan.client.context import Context
from sampan.client.engine import Engine, Refused
from sampan.wire.context import LISTING_MAX

BINARY = {"Content-Type": "application/octet-stream"}


def still_wanted(engine: Engine, context: Context) -> tuple[str, frozenset[int] | None]:
    """The word for the context, and the positions of its listing that are wanted; None: all of it.

    No word: the engine is another than ours, or cannot take a listing now, and gets everything. Raises InvalidRequest
    for what cannot be read.
    """
    listing = context.listing()
    if len(listing) > LISTING_MAX:
        return "", None
    try:
        response = engine.send("POST", "/build/context", {"key": context.key}, data=[listing], fields=BINARY)
    except Refused:
        return "", None
    answer = json.loads(response.read())
    wanted = answer["Wanted"]
    return answer["Id"], None if wanted is None else frozenset(wanted)
