"""The numbers of system calls: `numbers.py` reads them, one table per ABI (x86_64, i386, x32, aarch64, arm)."""
