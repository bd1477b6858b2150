"""Mountable trees: returns Mount data, never mounts.

Reading order:

    overlay    a container's writable tree over its layers: upper and work directories, and the mounts to make of them
    usage      how many bytes a tree holds, while somebody else is changing it
"""
