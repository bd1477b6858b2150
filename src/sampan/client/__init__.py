"""Talking HTTP to an engine, without asyncio."""
