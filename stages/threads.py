"""How many threads to compute with. Two threads beside another busy process run five times slower than one."""

from __future__ import annotations

import os

LOOKS = 3  # a process that ends in a moment must not halve the threads of a training that lasts for minutes


def idle_cores() -> int:
    """The cores that this process may use and that are idle now, at least 1: the most of three looks, 0.1 s each.

    OMP_NUM_THREADS says otherwise: the same number of threads is what makes the same bytes on a busy machine too.
    """
    if (given := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        return max(1, int(given))
    import psutil

    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    looks = [psutil.cpu_percent(interval=0.1, percpu=True) for _ in range(LOOKS)]
    return max(1, *(sum(busy[core] < 50 for core in allowed if core < len(busy)) for busy in looks))


def use_idle_cores() -> int:
    """Let torch compute on the idle cores; returns how many."""
    import torch

    threads = idle_cores()
    torch.set_num_threads(threads)
    return threads
