"""The distribution API (OCI distribution-spec 1.1), as a client: `client` is what pull and push ask, `auth` gets in."""
