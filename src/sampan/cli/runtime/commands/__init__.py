"""One file for each verb of `sampan runtime`."""
