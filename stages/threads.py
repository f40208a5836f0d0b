"""How many threads to compute with. Two threads beside another busy process run five times slower than one."""

from __future__ import annotations

import os


def idle_cores() -> int:
    """The cores that this process may use and that are idle now, at least 1; looks for a tenth of a second."""
    import psutil

    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    busy = psutil.cpu_percent(interval=0.1, percpu=True)
    return max(1, sum(busy[core] < 50 for core in allowed if core < len(busy)))


def use_idle_cores() -> int:
    """Let torch compute on the idle cores; returns how many."""
    import torch

    threads = idle_cores()
    torch.set_num_threads(threads)
    return threads
