"""How is a stack of layers named?

    ChainID(L₀)      = DiffID(L₀)
    ChainID(L₀…Lₙ)   = Digest(ChainID(L₀…Lₙ₋₁) + " " + DiffID(Lₙ))

(image-spec config.md, "Layer ChainID".) A chain ID names the result of applying layers in order, so two images share
what is below a layer exactly when their chain IDs agree there.
"""

from collections.abc import Sequence

from sampan.oci.digest import Digest, digest_of


def chain_ids(diff_ids: Sequence[Digest]) -> list[Digest]:
    """The chain ID of every stack from the bottom layer alone up to all of `diff_ids` (bottom first)."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(digest_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain


def chain_id(diff_ids: Sequence[Digest]) -> Digest:
    """The chain ID of the whole stack; an empty stack has none and is called ""."""
    chain = chain_ids(diff_ids)
    return chain[-1] if chain else ""
