"""Dockerfile → instructions → graph → layers.

`dockerfile/` is pure: text in, typed instructions or an error with its place out. `graph.py` decides what is needed and
what each step depends on, `solve.py` runs it, `cache.py` knows what was done before, `operations/` has a file for each
thing that a step can do. Nothing of a build's context or stages is ever unpacked or mounted to be read: `tree.py` looks
into layers, and `layer.py` writes the next one.
"""
