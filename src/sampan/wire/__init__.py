"""What Docker's clients send and expect: bodies, filters, versions, stdcopy framing. Pure; shared by api and client.

Reading order: `json` (bytes → strict JSON values) → `bodies` (values → typed structs) → `containers`, `mounts`, `exec`,
`images` (the structs) → `filters`, `timestamps`, `versions` (query strings and paths) → `stdcopy` (framed output).
`json`, `stdcopy`, `filters`, `timestamps` and `versions` need the standard library only.
"""
