"""The live view of `sampan top`: what containers do, as it changes, and keys to do something about it.

`model` (what is known) → `view` (how it looks) · `keys` (what was pressed) · `screen` (the loop, and what keys do).
"""
