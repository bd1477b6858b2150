"""The Docker Engine API over HTTP: routes parse wire, call one function, render wire.

Reading order: `listen` (which sockets, with which modes) → `connection` (one client's connection and its limits) →
`app` (what every request goes through) → `table` (path → function) → `call` (what was asked) → `routes/` (one short
function for each operation) → `reply`, `progress` (how answers look) → `hijack`, `websocket` (a connection becomes a
stream) → `status` (which failure is which number). `tls` and `upload` are the two odd doors: encrypted clients, and
bodies without end.
"""
