"""The only door to the kernel: one file per header or man page. Knows no container word. Standard library only."""
