"""malloc_trim(3): how is memory that was freed given back to the kernel?"""

from ctypes import c_int, c_size_t

from sampan.linux.call import libc, prototype


def trim() -> bool:
    """Return free pages of the heap; whether there were any. Without glibc nothing happens: others do it unasked."""
    try:
        function = prototype(libc, "malloc_trim", c_int, c_size_t)
    except AttributeError:
        return False
    return bool(function(0))
