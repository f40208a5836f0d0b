"""How much main memory a piece of work takes at most, beside what this process held before it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc/self")
_FORGET_THE_PEAK = "5"


def watched() -> Callable[[], int | None]:
    """Begin; what it returns gives the bytes so far, None where the system does not tell (only Linux does).

    What the process held before and has freed can be used again, so this is a lower bound.
    Source: proc(5), clear_refs and VmHWM.
    """
    gc.collect()
    try:
        (_PROC / "clear_refs").write_text(_FORGET_THE_PEAK, encoding="ascii")
        before = _status("VmRSS")
    except (OSError, LookupError):
        return lambda: None
    return lambda: max(0, _status("VmHWM") - before)


def _status(name: str) -> int:
    """Bytes, of a line such as `VmHWM:   123 kB`."""
    lines = (_PROC / "status").read_text(encoding="ascii").splitlines()
    return 1024 * int({line.split(":")[0]: line for line in lines}[name].split()[1])
