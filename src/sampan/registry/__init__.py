"""The distribution API (OCI distribution-spec 1.1): `client` is what pull and push ask; `serve` is a registry."""
