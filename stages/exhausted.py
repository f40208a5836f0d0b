"""Errors that say that the disk or the memory is full, whichever library meets it."""

from __future__ import annotations

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT)
# What torch says on a CPU (an allocator's check) and on a GPU; bitsandbytes and cuBLAS have words of their own.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


def disk_is_full(error: BaseException) -> bool:
    """Libraries in Rust (safetensors, tokenizers) raise errors of their own, with the number in their text."""
    return getattr(error, "errno", None) in _FULL or any(f"(os error {number})" in str(error) for number in _FULL)


def memory_is_full(error: BaseException) -> bool:
    """Python's own error, the system's (ENOMEM), or torch's."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
