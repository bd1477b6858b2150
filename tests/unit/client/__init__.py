"""Tests of talking to an engine."""
