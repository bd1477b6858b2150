"""sampand: configuration, assembly and life of the daemon.

Reading order: `main` (its life, start to end) → `flags` (every flag of dockerd, and which have an effect here) →
`arguments` (command line → values) → `config` (flags and file → `Config`) → `pidfile` (one daemon for a data root) →
`assemble` (everything is put together here and nowhere else) → `host` (facts about the machine) → `serve` (sockets to
API) → `notify` (systemd).
"""
