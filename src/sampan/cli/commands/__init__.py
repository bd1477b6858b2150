"""One file per command; each declares COMMAND (or several, named in `cli/table.py`) and the function that runs it."""
