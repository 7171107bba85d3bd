"""Tells glibc to give large blocks back: numpy's columns come and go by the megabyte.

By default glibc raises, each time such a block is freed, the size from which blocks are given back to the system, up to
32 MB, and keeps a heap for each thread: after ten million events that was a third of the process's memory.
"""

import ctypes

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
GIVEN_BACK_BYTES_MIN = 1 << 20
HEAPS_MAX = 2


def tune() -> bool:
    """Sets both; False where the C library has no such knobs."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, GIVEN_BACK_BYTES_MIN) and mallopt(M_ARENA_MAX, HEAPS_MAX))
