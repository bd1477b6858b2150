"""What OCI defines, as pure data and arithmetic.

In reading order:

    digest       sha256:…, the name of bytes
    chain        the name of a stack of layers
    descriptor   media type, digest and size of something elsewhere
    manifest     one config and ordered layers; an index of manifests
    config       how an image is run and was made; its digest is the image ID
    reference    what `nginx` means
    platform     for which machine
    mount        mounts as data
    strict       which JSON is believed; fields: reading its members; media_types
"""
