"""sampan: a container engine in Python that is a drop-in for Docker. `docs/where.md` says which file answers what."""

__version__ = "0.1.0"
