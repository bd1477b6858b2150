"""Mountable trees: returns Mount data, never mounts."""
