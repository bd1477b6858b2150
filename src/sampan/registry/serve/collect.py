"""How does space come back while clients push and pull?

Three kinds of rubbish, each judged one at a time under the store's lock, so that nobody waits for long:

    links      blobs that no manifest of their repository names
    manifests  those without a name, if that is wanted: no tag, in no index, about nothing
    strays     content that no row speaks of: what a crash left

Nothing is taken that was linked, pushed or asked for within the grace: a push says "is this here?" long before it sends
the manifest.
"""

import time
from dataclasses import dataclass

from sampan.registry.serve import rows
from sampan.registry.serve.store import RegistryStore


@dataclass(slots=True)
class Collected:
    """What one collection removed."""

    uploads: int = 0
    links: int = 0
    manifests: int = 0
    bytes: int = 0


def collect(store: RegistryStore, *, grace_seconds: float, untagged: bool = False) -> Collected:
    """Remove what is of no use to anybody; may be run at any time."""
    collected = Collected(uploads=store.uploads.expire())
    before_ns = time.time_ns() - int(grace_seconds * 1e9)
    since = time.monotonic() - grace_seconds
    used = _bytes(store)
    if untagged:
        collected.manifests = _untagged(store, before_ns)
    unnamed = store.database.query(
        "SELECT repository, digest FROM registry_blobs b WHERE linked_ns <= ? AND NOT EXISTS (SELECT 1 FROM "
        "registry_references r WHERE r.repository = b.repository AND r.digest = b.digest)",
        (before_ns,),
    )
    for row in unnamed:
        collected.links += store.collect_blob(row["repository"], row["digest"], since=since, before_ns=before_ns)
    for digest in list(store.content.digests()):
        store.collect_stray(digest, since=since, before=before_ns / 1e9)
    store.forget_wishes(since)
    collected.bytes = max(0, used - _bytes(store))
    return collected


def _untagged(store: RegistryStore, before_ns: int) -> int:
    removed = 0
    while True:
        found = store.database.query(
            f"SELECT repository, digest FROM registry_manifests WHERE pushed_ns <= ? AND {rows.UNNAMED}", (before_ns,)
        )
        gone = sum(store.collect_manifest(row["repository"], row["digest"], before_ns) for row in found)
        removed += gone
        if not gone:
            return removed  # an index that went may have been the last to name another


def _bytes(store: RegistryStore) -> int:
    return sum(store.size_of(digest) for digest in list(store.content.digests()))
