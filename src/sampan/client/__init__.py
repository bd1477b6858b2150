"""Talking to an engine over HTTP/1.1, without asyncio: light enough that a command takes as long as its engine does.

Reading order: `endpoint` (where is it) · `http` (bytes ⇄ responses) · `connection` (one socket) · `engine` (API calls and
errors) · `stream` (a hijacked connection and our stdio) · `demultiplex`, `detach`, `terminal` (its parts) · `progress`.
"""
