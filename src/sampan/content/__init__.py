"""Blobs by digest: manifests, configs and compressed layers, as received. `store`: verified, durable ingest."""
