"""How much memory a piece of work takes at most, beside what this process held before it; and what all of it took."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
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


def of_process() -> int | None:
    """Bytes that this process, or the greatest of those it waited for, held at most; None where nothing tells."""
    with suppress(ImportError):  # there is none on Windows
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        most = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return int(max(most) * unit)
    return None


def of_gpu() -> int | None:
    """Bytes that torch's tensors took on this process's GPU at most; None where it has used none."""
    torch = sys.modules.get("torch")
    used = torch is not None and torch.cuda.is_initialized()
    return int(torch.cuda.max_memory_allocated()) if torch and used else None


def _status(name: str) -> int:
    """Bytes, of a line such as `VmHWM:   123 kB`."""
    lines = (_PROC / "status").read_text(encoding="ascii").splitlines()
    return 1024 * int({line.split(":")[0]: line for line in lines}[name].split()[1])
