"""Containers: what they are, what may be asked of them, and what happens to them.

Reading order: `store` (what the rest of the daemon may do) · at rest: `model`, `lifecycle` (the table of legal acts),
`rows`, `names` · a request: `create` → `verify` (`limits`, `modes`, `mounts`, `security`, `devices`, `capabilities`) →
`defaults` · a start: `start` → `files`, `spec` (`spec_process`, `spec_mounts`, `spec_resources`) → `die` · one file for
each other verb · `recover` (after kill -9) · `engine` (what the verbs act on), `needs` (what they ask of others).
"""
