"""A registry (OCI distribution-spec 1.1): `app` answers, `store` decides, `rows` and the content store remember."""
