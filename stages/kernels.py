"""How many compiled products torch keeps. oneDNN compiles a kernel for each shape, and each batch has its own."""

from __future__ import annotations

import os

KEPT = 16  # products of one layer, there and back, are fewer
_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")  # oneDNN's own, and that of torch's way to it


def keep_few() -> None:
    """Of the last shape alone: kept are 1,024 otherwise, which grow by 5 MB a batch of a new length until then.

    To be called before the first product, for the caches are made then. A kernel is compiled anew in a millisecond,
    once a step; what it computes is the same.
    """
    for name in _CACHES:
        os.environ.setdefault(name, str(KEPT))
