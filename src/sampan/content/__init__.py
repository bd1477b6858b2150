"""Blobs by digest: verified ingest, reachability."""
