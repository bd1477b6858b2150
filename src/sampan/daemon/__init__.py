"""sampand: configuration, assembly and life of the daemon."""
