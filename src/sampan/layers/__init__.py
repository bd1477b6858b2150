"""A layer is its tar: strict reader, EROFS index, directory unpacker, whiteouts, compression."""
