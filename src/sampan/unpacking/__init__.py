"""A tar that nobody trusts becomes files in a process that can reach nothing else.

    engine                                    unpacker                  a process for this one archive
    ──────                                    ────────                  ──────────────────────────────
    process ── order, root, socket, pipe ──►  server ──── fork ──────►  confinement: root, Landlock, capabilities, …
            ── the archive's bytes (the pipe) ───────────────────────►  layers.extract or layers.unpack
            ◄─ how it ended (the socket) ─────────────────────────────

The unpacker has loaded all that an archive may take, which is most of the time that it needs, and ends when nothing was
to unpack for a while.
"""
