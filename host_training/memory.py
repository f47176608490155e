"""Memory of a process that computes on tensors: what one batch frees, the next one finds."""

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"Parameters of mallopt, as glibc's malloc.h numbers them."
TOP_PAD = 64 << 20
"Bytes that the heap grows by at once."


def keep_freed() -> bool:
    """Whether the C library lets this process keep what it frees, as glibc does.

    Otherwise every large tensor is mapped anew, and the kernel clears its pages anew, which takes
    a fifth to a third of the time of an update. The process never needs more at once for it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    wanted = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, TOP_PAD))
    return mallopt is not None and all(mallopt(*each) for each in wanted)
