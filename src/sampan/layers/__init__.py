"""A layer is its tar: the exact uncompressed bytes that its diff ID names, plus a small index that the kernel mounts.

Reading order:

    stream        bytes come in once: counted, copied, hashed, and read by the parser at the same time
    compression   gzip, zstd, xz, bzip2 or plain, with budgets against bombs
    header        what 512 bytes of tar header say; numbers and PAX records
    tar           header blocks to members: strict, capped, never a shorter list than the archive holds
    whiteout      what a name that begins with `.wh.` means
    tree          a million names in a few megabytes
    changeset     members to the tree they leave behind: replace, link, delete, imply
    erofs         the on-disk format: inodes, attributes, directories, superblock
    index         tree and inodes to one EROFS file that points into the tar
    walk          that file, read back without the kernel
    unpack        the same tree as real files, where EROFS cannot be mounted
    ingest        all of the above in one pass; nothing is visible before it is whole and on disk
    probe         can this kernel mount it?
    store         the layers of this host by diff ID
    encode        a member as the bytes of its headers
    pack          the way back: a writable tree to the tar of its changes
"""
