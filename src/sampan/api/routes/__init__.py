"""A short function for each operation of the Engine API, a file for each noun; `table.py` says which path is whose."""
