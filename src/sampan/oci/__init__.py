"""What OCI defines: descriptors, manifests, image config, references, platforms, chain IDs. Pure data and arithmetic."""
