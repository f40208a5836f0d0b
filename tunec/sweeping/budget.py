"""How long a person allows: 90s, 30m, 2h, 1h30m."""

from __future__ import annotations

import re

from stages.diagnostics import fail

_SPAN = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+(?:\.\d+)?)s)?")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def seconds_of(text: str) -> float:
    """Seconds. Raises T513 for what is no time."""
    found = _SPAN.fullmatch(text.replace(" ", ""))
    given = {unit: float(value) for unit, value in found.groupdict().items() if value} if found else {}
    seconds = sum(value * _SECONDS[unit] for unit, value in given.items())
    if seconds <= 0:
        raise fail("T513", f"`{text[:40]}` is no time", help="write it like 2h, 45m, 90s or 1h30m")
    return seconds
