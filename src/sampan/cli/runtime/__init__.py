"""`sampan runtime …`: the engine's own runtime as an OCI runtime command line, with runc's words and exit codes.

Read: table (which commands) → main (words to a call) → bundle (config.json) → record (what is kept of a container) →
bring_up (create, run) → fifo (what holds a created container) → attend (run in the foreground) → commands/.
"""
