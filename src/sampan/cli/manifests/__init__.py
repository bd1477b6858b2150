"""Manifest lists under construction, kept as docker's CLI keeps them: `lists` on disk, `remote` through the engine."""
