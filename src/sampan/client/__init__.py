"""Talking to an engine over HTTP/1.1, without asyncio: light enough that a command takes as long as its engine does.

Reading order: `endpoint` (where is it) · `http` (bytes ⇄ responses) · `connection`, `tls` (one socket) · `engine`
(calls and errors) · `stream` (a hijacked connection and our stdio) · `detach`, `terminal` (its parts) · `progress` ·
`moments`, `units` (times and sizes as people write them).
"""
